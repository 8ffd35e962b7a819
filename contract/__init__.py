"""Writes docs/message.schema.json and docs/asyncapi.yaml from `watcher/messages/schema.py`: `python -m contract`."""
