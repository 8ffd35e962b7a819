"""Reading an `.env` file, and the environment. Keys are in upper case, and every value is literal."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from watcher.config.fault import ENVIRONMENT
from watcher.config.files.source import SettingsSource
from watcher.config.settings import KEYS, TABLES

_BLANKS = r"[^\S\n]*"
_ENTRY = re.compile(
    rf"{_BLANKS}(?:export[^\S\n]{_BLANKS})?(?P<key>[^\s=#'\"]+){_BLANKS}="
    rf"(?:{_BLANKS}(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'){_BLANKS}(?:\#[^\n]*)?"
    rf"|(?!{_BLANKS}[\"'])(?P<bare>[^\n]*?)(?:[^\S\n]\#[^\n]*)?)(?=\n|\Z)"
)
"""`KEY=value`, with a comment after it. A quoted value may span several lines. There are no escapes: the next quote of the same
kind ends the value."""

_IDLE_LINE = re.compile(rf"{_BLANKS}(?:#[^\n]*)?(?=\n|\Z)")
_QUOTED = re.compile(r"=\s*[\"']")
_QUOTE_HINT = "what stands in quotes is literal and ends at the next quote of that kind; use the other kind around it, or none"

_TABLE_EXAMPLES = {
    "kafka": '{"security.protocol": "SASL_SSL"}',
    "schema_registry": '{"url": "http://localhost:8081"}',
    "snapshot_filter": '{"orders": {"status": "open"}}',
    "topic_config": '{"cleanup.policy": "compact"}',
}


def read_env(source: SettingsSource, text: str) -> None:
    """Add the keys of an `.env` file to `source`. Faults are recorded; they never repeat the line, which may hold a password."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    seen: dict[str, int] = {}
    line, at = 1, 0
    while at < len(text):
        entry = _ENTRY.match(text, at)
        if entry:
            _take_once(source, entry, line, seen)
        elif not _IDLE_LINE.match(text, at):
            _report(source, text[at:].partition("\n")[0], line)
        end = text.find("\n", entry.end() if entry else at)
        end = len(text) if end < 0 else end + 1
        line += text.count("\n", at, end)
        at = end


def _take_once(source: SettingsSource, entry: re.Match[str], line: int, seen: dict[str, int]) -> None:
    key = entry["key"]
    if key in seen:
        source.add_fault(key, f"is set twice, first in line {seen[key]}", line=line)
        return
    seen[key] = line
    _take(source, key, entry["double"] or entry["single"] or (entry["bare"] or "").strip(), line)


def _report(source: SettingsSource, written: str, line: int) -> None:
    source.add_fault("", "is not KEY=value", line=line, hint=_QUOTE_HINT if _QUOTED.search(written) else "")


def read_environment(environment: Mapping[str, str]) -> SettingsSource:
    """Read the settings from the process environment. Variables that are not settings are ignored."""
    source = SettingsSource(ENVIRONMENT, spell=str.upper)
    for key in KEYS:
        _take(source, key.upper(), environment.get(key.upper(), ""), None)
    return source


def _take(source: SettingsSource, written: str, value: str, line: int | None) -> None:
    key = written.lower()
    if key not in KEYS or written != written.upper():
        source.add_unknown(written, line)
    elif not value:
        return  # empty means not set
    elif key in TABLES:
        _take_table(source, key, value, line)
    else:
        source.add_entry(key, value, line)


def _take_table(source: SettingsSource, key: str, value: str, line: int | None) -> None:
    """Add the entries of a table, which is written as JSON: this format has no tables."""
    try:
        entries = json.loads(value)
    except ValueError:
        entries = None
    if not isinstance(entries, dict):
        source.add_fault(key.upper(), "must be a JSON object", line=line, hint=f"for example {_TABLE_EXAMPLES[key]}")
        source.settled.add(key)
        return
    for name, item in entries.items():
        is_query = key == "snapshot_filter" and isinstance(item, dict)  # JSON too, so it need not be quoted once more
        source.add_entry(f"{key}.{name}", json.dumps(item) if is_query else item, line)
