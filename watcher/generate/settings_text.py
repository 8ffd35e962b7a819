"""Renders one watcher's settings as the text of its TOML file, with a variable in place of each secret. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from watcher.config.files.source import KAFKA_TABLE
from watcher.config.files.variables import expand, mentioned, variable_for
from watcher.config.masking import MASK, masked

_PROPERTY = f"{KAFKA_TABLE}."


@dataclass(frozen=True, slots=True)
class SettingsText:
    """The text of a settings file, which holds no secret. `variables` are those that it needs, sorted; True marks one that must be
    set because it has no default.
    """

    text: str
    variables: Mapping[str, bool]


def settings_text(written: Mapping[str, Any]) -> SettingsText:
    """Render settings as they were written. Those that hold a secret become `${MONGODB_URI}`, `${KAFKA_SASL_PASSWORD}` …"""
    values = {key: variable_for(key) if _holds_secret(key, value) else value for key, value in written.items()}
    variables = {name: needed for value in values.values() for name, needed in mentioned(value).items()}
    return SettingsText(_as_toml(values), dict(sorted(variables.items())))


def _holds_secret(key: str, value: Any) -> bool:
    """True if a secret is written here, even as a variable's default. The value of a variable is not written here."""
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
    """Render one setting. JSON's strings, numbers, booleans and lists are valid TOML. Times become strings, which `start_from`
    accepts as well.
    """
    return f"{key} = {json.dumps(value, ensure_ascii=False, default=str)}"
