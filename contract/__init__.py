"""Writes the schemas in docs/ and docs/asyncapi.yaml from `watcher/messages/`: `python -m contract`."""
