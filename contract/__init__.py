"""The messages as a contract for other languages: docs/message.schema.json and docs/asyncapi.yaml, made by `python -m contract`."""
