"""Renders one watcher's settings as the text of its TOML file, with a variable in place of each secret. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from watcher.config.files.source import table_of
from watcher.config.files.variables import expand, mentioned, variable_for
from watcher.config.masking import MASK, masked
from watcher.config.mongodb.pipeline import stages_text
from watcher.config.settings import TABLES


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
    name = "snapshot_filter" if table_of(key) == "snapshot_filter" else key  # a collection may be called `tokens`
    return any(text != "" and masked(name, text) != str(text) for text in texts)


def _as_toml(values: Mapping[str, Any]) -> str:
    lines = [_line(key, value) for key, value in values.items() if not table_of(key)]
    for table in TABLES:
        entries = {key.removeprefix(f"{table}."): value for key, value in values.items() if table_of(key) == table}
        lines += [f"[{table}]", *(_line(json.dumps(name), value) for name, value in entries.items())] if entries else []
    return "\n".join(lines) + "\n"


def _line(key: str, value: Any) -> str:
    """Render one setting. JSON's strings, numbers, booleans and lists are valid TOML. Times become strings, which `start_from`
    accepts as well. Stages become text, since objects are written differently.
    """
    if key == "pipeline" and isinstance(value, list):
        value = stages_text(value)
    return f"{key} = {json.dumps(value, ensure_ascii=False, default=str)}"
