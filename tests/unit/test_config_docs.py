"""docs/configuration.md lists what the settings are."""

from __future__ import annotations

import re
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from watcher.config import KEYS, Settings
from watcher.config.files.conf_dir import RESERVED_NAMES

TEXT = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
ROWS = {row[1]: row for row in re.finditer(r"^\| `([a-z_]+)` \| `([A-Z_]+)` \|(.*?)\| (.+) \|$", TEXT, re.MULTILINE)}
CHOICES = {key: kind for key, kind in get_type_hints(Settings).items() if get_origin(kind) is Literal}


def test_every_key_has_a_row_and_every_row_a_key() -> None:
    assert ROWS.keys() == set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_env_name(key: str) -> None:
    assert ROWS[key][2] == key.upper()


@pytest.mark.parametrize("field", [field for field in fields(Settings) if field.name in KEYS], ids=lambda field: field.name)
def test_default(field: Field[Any]) -> None:
    default = {} if field.default_factory is dict else field.default
    default = str(default).lower() if isinstance(default, bool) else default
    expected = "required" if default is MISSING else f"`{default}`" if default not in ("", (), {}) else ""
    assert ROWS[field.name][3].strip() == expected


@pytest.mark.parametrize(("key", "values"), [(key, get_args(kind)) for key, kind in CHOICES.items()], ids=CHOICES)
def test_each_value_that_can_be_chosen_is_named(key: str, values: tuple[str, ...]) -> None:
    assert [value for value in values if f"`{value}`" not in ROWS[key][4]] == []


@pytest.mark.parametrize("name", RESERVED_NAMES)
def test_reserved_names_are_named(name: str) -> None:
    assert f"`{name}`" in TEXT.partition("## All settings")[0]
