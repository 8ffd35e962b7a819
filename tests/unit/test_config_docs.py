"""docs/configuration.md lists what the settings are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from watcher.config import KEYS, Settings
from watcher.config.conf_dir import RESERVED_NAMES

TEXT = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
ROWS = {row[1]: row for row in re.finditer(r"^\| `([a-z_]+)` \| `([A-Z_]+)` \|(.*?)\| (.+) \|$", TEXT, re.MULTILINE)}


def test_every_key_has_a_row_and_every_row_a_key() -> None:
    assert ROWS.keys() == set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_env_name(key: str) -> None:
    assert ROWS[key][2] == key.upper()


@pytest.mark.parametrize("key", Settings.model_fields.keys() - {"name"})
def test_default(key: str) -> None:
    field = Settings.model_fields[key]
    default = field.get_default(call_default_factory=True, validated_data={})
    default = str(default).lower() if isinstance(default, bool) else default
    expected = "required" if field.is_required() else f"`{default}`" if default not in ("", (), {}) else ""
    assert ROWS[key][3].strip() == expected


@pytest.mark.parametrize("name", RESERVED_NAMES)
def test_reserved_names_are_named(name: str) -> None:
    assert f"`{name}`" in TEXT.partition("## All settings")[0]
