"""Reading a TOML file in conf.d."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from watcher.config.fault import Refused
from watcher.config.files.source import SettingsSource
from watcher.config.files.toml_lines import KeyPath, key_lines, keys_of_last_table
from watcher.config.files.variables import expand
from watcher.config.settings import TABLES

_PLACE = re.compile(r" \((?:at line (?P<line>\d+), column (?P<column>\d+)|at end of document)\)$")
_TWICE = "Cannot overwrite a value"
_ANY_TWICE = "a key stands here for the second time"
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
    lines = text.removesuffix("\n").split("\n")  # TOML knows no other ends of lines
    line = len(lines) if at_end or place is None else int(place["line"])
    column = "" if at_end or place is None else f" in column {place['column']}"
    hint = _of_second("\n".join(lines[:line])) if what == _TWICE else _HINTS.get(what, "")
    source.give_up(f"is not valid TOML{column}: {what[:1].lower()}{what[1:]}", line=line, hint=hint)


def _of_second(text: str) -> str:
    """Name the last key of `text`, which stands there for the second time, and the line of the first.

    Also the key of a table, or a part of the key, may be what stands there already. Then none is named.
    """
    *before, (path, _) = keys_of_last_table(text) or [((), 0)]
    firsts = [line for each, line in before if each == path]
    return f"{'.'.join(path)} is set twice, first in line {firsts[0]}" if len(firsts) == 1 else _ANY_TWICE
