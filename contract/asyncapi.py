"""The topics and their messages as AsyncAPI (https://www.asyncapi.com/docs/reference/specification/v3.0.0). Pure."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import watcher
from contract.json_schema import AsIs
from watcher.config.settings import CONTROL_TOPIC, SINGLE_TOPICS
from watcher.messages.schema import CONTROL, ROW_CHANGES, published_name

GENERATED = "Made by `python -m contract`."

CHANNELS = {
    "insert": (SINGLE_TOPICS["kafka_topic_insert"], ROW_CHANGES[:1]),
    "update": (SINGLE_TOPICS["kafka_topic_update"], ROW_CHANGES[1:3]),
    "delete": (SINGLE_TOPICS["kafka_topic_delete"], ROW_CHANGES[3:]),
    "control": (CONTROL_TOPIC, CONTROL),
}
"""The default topics, and which messages are there."""


def asyncapi() -> str:
    """docs/asyncapi.yaml."""
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Database Watcher",
            "version": watcher.__version__,
            "description": "Every change in a watched MongoDB database, as one message. Read with isolation.level=read_committed.\n"
            "Addresses are the default topics; the settings kafka_topic_* choose others.",
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(address, models) for name, (address, models) in CHANNELS.items()},
        "operations": {f"send{name.title()}": _operation(name, models) for name, (_, models) in CHANNELS.items()},
        "components": {
            "messages": {_name(model): _message(model) for model in (*ROW_CHANGES, *CONTROL)},
            "schemas": _schemas(),
        },
    }
    return f"# {GENERATED}\n" + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def _name(model: type[BaseModel]) -> str:
    name: str = model.model_fields["operationType"].annotation.__args__[0]  # type: ignore[union-attr]  # each model has a Literal there
    return name


def _channel(address: str, models: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    return {"address": address, "messages": {_name(m): {"$ref": f"#/components/messages/{_name(m)}"} for m in models}}


def _operation(channel: str, models: tuple[type[BaseModel], ...]) -> dict[str, Any]:
    messages = [{"$ref": f"#/channels/{channel}/messages/{_name(model)}"} for model in models]
    return {"action": "send", "channel": {"$ref": f"#/channels/{channel}"}, "messages": messages}


def _message(model: type[BaseModel]) -> dict[str, Any]:
    key = "The document's _id as JSON text." if model in ROW_CHANGES else "The database's name as JSON text."
    return {
        "title": published_name(model),
        "summary": (model.__doc__ or "").strip(),
        "payload": {"$ref": f"#/components/schemas/{published_name(model)}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": key}, "bindingVersion": "0.5.0"}},
    }


def _schemas() -> dict[str, Any]:
    models = [(model, "validation") for model in (*ROW_CHANGES, *CONTROL)]
    _, schema = models_json_schema(
        models,  # type: ignore[arg-type]  # a union of models, where one class is declared
        ref_template="#/components/schemas/{model}",
        schema_generator=AsIs,
    )
    schemas: dict[str, Any] = schema["$defs"]
    return schemas
