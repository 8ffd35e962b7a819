"""Reading an `.env` file, and the environment: upper case keys, every value literal."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from io import StringIO

from watcher.config.fault import ENVIRONMENT
from watcher.config.settings import KEYS
from watcher.config.source import KAFKA_TABLE, Source

_NEWLINE = re.compile(r"\r\n|\n|\r")
_LEADING_SPACE = re.compile(r"\s*")


def read_env(source: Source, text: str) -> None:
    """Take the keys of an `.env` file into `source`; faults are recorded, and never repeat the line: it may hold a password."""
    # What dotenv_values() reads with before it would interpolate; this way the lines are known.
    from dotenv.parser import parse_stream

    seen: dict[str, int] = {}
    for binding in parse_stream(StringIO(text)):
        line = binding.original.line + _newlines_before(binding.original.string)
        if binding.error or (binding.key and binding.value is None):
            source.add_fault("", "is not KEY=value", line=line)
        elif binding.key in seen:
            source.add_fault(binding.key, f"is set twice, first in line {seen[binding.key]}", line=line)
        elif binding.key:
            seen[binding.key] = line
            _take(source, binding.key, binding.value or "", line)


def read_environment(environment: Mapping[str, str]) -> Source:
    """What the process environment says; variables that are not ours are nobody's fault."""
    source = Source(ENVIRONMENT, spell=str.upper)
    for key in KEYS:
        _take(source, key.upper(), environment.get(key.upper(), ""), None)
    return source


def _newlines_before(text: str) -> int:
    """How many lines lie between the end of the previous key and this one."""
    return len(_NEWLINE.findall(_LEADING_SPACE.match(text)[0]))  # type: ignore[index]  # it matches any text


def _take(source: Source, written: str, value: str, line: int | None) -> None:
    key = written.lower()
    if key not in KEYS or written != written.upper():
        source.add_unknown(written, line)
    elif not value:
        return  # empty means not set
    elif key == KAFKA_TABLE:
        _take_kafka(source, value, line)
    else:
        source.add_entry(key, value, line)


def _take_kafka(source: Source, value: str, line: int | None) -> None:
    """There are no tables here, so `KAFKA` holds the `[kafka]` table as JSON."""
    try:
        properties = json.loads(value)
    except ValueError:
        properties = None
    if not isinstance(properties, dict):
        source.add_fault("KAFKA", "must be a JSON object", line=line, hint='for example {"security.protocol": "SASL_SSL"}')
        return
    for name, item in properties.items():
        source.add_entry(f"{KAFKA_TABLE}.{name}", item, line)
