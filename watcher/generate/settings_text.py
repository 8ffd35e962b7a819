"""One watcher's settings as the text of its TOML file, with a variable in place of each secret. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from watcher.config.masking import MASK, masked
from watcher.config.source import KAFKA_TABLE
from watcher.config.variables import expand, mentioned, variable_for

_PROPERTY = f"{KAFKA_TABLE}."


@dataclass(frozen=True, slots=True)
class SettingsText:
    """`text` holds no secret. `variables` are those it needs, sorted; whether each must be set, having no default."""

    text: str
    variables: Mapping[str, bool]


def settings_text(written: Mapping[str, Any]) -> SettingsText:
    """From settings as they were written: those that hold a secret become `${MONGODB_URI}`, `${KAFKA_SASL_PASSWORD}` …"""
    values = {key: variable_for(key) if _holds_secret(key, value) else value for key, value in written.items()}
    variables = {name: needed for value in values.values() for name, needed in mentioned(value).items()}
    return SettingsText(_as_toml(values), dict(sorted(variables.items())))


def _holds_secret(key: str, value: Any) -> bool:
    """Whether anything secret is written here, in a variable's default too. What a variable stands for is not written here."""
    known = expand(value, {name: MASK if needed else "" for name, needed in mentioned(value).items()})
    texts = known if isinstance(known, list) else [known]
    return any(text != "" and masked(key, text) != str(text) for text in texts)


def _as_toml(values: Mapping[str, Any]) -> str:
    plain = [_line(key, value) for key, value in values.items() if not key.startswith(_PROPERTY)]
    properties = [
        _line(json.dumps(key.removeprefix(_PROPERTY)), value) for key, value in values.items() if key.startswith(_PROPERTY)
    ]
    return "\n".join([*plain, *([f"[{KAFKA_TABLE}]", *properties] if properties else [])]) + "\n"


def _line(key: str, value: Any) -> str:
    """JSON's text, numbers, booleans and lists are TOML's too; times are text here, which `start_from` takes as well."""
    return f"{key} = {json.dumps(value, ensure_ascii=False, default=str)}"
