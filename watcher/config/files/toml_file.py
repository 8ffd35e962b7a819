"""Reading a TOML file in conf.d."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from watcher.config.fault import Refused
from watcher.config.files.source import SettingsSource
from watcher.config.files.toml_lines import KeyPath, key_lines
from watcher.config.files.variables import expand
from watcher.config.settings import TABLES

_PLACE = re.compile(r" \((?:at line (?P<line>\d+), column (?P<column>\d+)|at end of document)\)$")
_TWICE = "Cannot overwrite a value"
_KEY = re.compile(r"""\s*(?P<key>[\w.-]+|"[^"]*"|'[^']*')\s*=""")
_HINTS = {
    "Invalid value": "text stands in quotes",
    "Unescaped '\\' in a string": "write \\\\, or use single quotes",
}


def read_toml(source: SettingsSource, text: str, environment: Mapping[str, str]) -> None:
    """Add the keys of a TOML document to `source`, with `${NAME}` replaced from `environment`. Faults are recorded."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        _report(source, str(error), text)
        return
    lines = key_lines(text)
    for path, value in leaves(document):
        _take(source, path, value, _line_of(path, lines), environment)


def _take(source: SettingsSource, path: KeyPath, value: Any, line: int | None, environment: Mapping[str, str]) -> None:
    key = ".".join(path)
    if path[0] not in source.keys:
        source.add_unknown(path[0], line)
        return
    try:
        source.add_entry(key, expand(value, environment), line)
    except Refused as refused:
        source.add_fault(key, str(refused), line=line, hint=refused.hint)
        source.settled.add(key)


def leaves(document: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Any]]:
    """Yield every key with its value. For a table among the settings, yield its entries."""
    for key, value in document.items():
        if key in TABLES and isinstance(value, dict):
            yield from _entries((key,), value)
        else:
            yield (key,), value


def _entries(path: KeyPath, table: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Any]]:
    """Yield the entries of a table. `security.protocol` without quotes is a nested table, but is meant as one name."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _entries((*path, key), value)
        else:
            yield (*path, key), value


def _line_of(path: KeyPath, lines: Mapping[KeyPath, int]) -> int | None:
    """The line of a key, or of the inline table around it."""
    return next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), None)


def _report(source: SettingsSource, message: str, text: str) -> None:
    what = _PLACE.sub("", message)
    place = _PLACE.search(message)
    at_end = place is None or place["line"] is None
    line = len(text.splitlines()) if at_end or place is None else int(place["line"])
    column = "" if at_end or place is None else f" in column {place['column']}"
    hint = _of_second(text.splitlines(), line) if what == _TWICE else _HINTS.get(what, "")
    source.give_up(f"is not valid TOML{column}: {what[:1].lower()}{what[1:]}", line=line, hint=hint)


def _of_second(lines: Sequence[str], line: int) -> str:
    """Name the key that stands in this line for the second time, as far as it does, and the line of the first."""
    keys = [found["key"] if (found := _KEY.match(each)) else None for each in lines[:line]]
    key = keys.pop()
    if key is None:
        return "a key stands here for the second time"
    first = f", first in line {keys.index(key) + 1}" if keys.count(key) == 1 else ""
    return f"{key} is set twice{first}"
