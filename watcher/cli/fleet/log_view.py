"""Formatting of a worker's log lines for people and for programs."""

from __future__ import annotations

import json
import os

import click

from watcher.config.deployment import SUPERVISORD
from watcher.fleet.logs.lines import Line, pairs
from watcher.terminal.message_text import printable
from watcher.terminal.name_colours import name_colours

_LEVEL_COLOURS = {"warning": "yellow", "error": "red", "critical": "red"}


class LogView:
    """Writes log lines to stdout. Each watcher has its own colour."""

    def __init__(self, watchers: list[str], *, as_json: bool = False) -> None:
        self._width = max(map(len, watchers), default=0)
        self._colours = name_colours(watchers)
        self._as_json = as_json

    def show(self, line: Line) -> None:
        """Write one line."""
        text = json_text(line) if self._as_json else self._for_people(line)
        click.echo(text, color=False if os.environ.get("NO_COLOR") else None)

    def _for_people(self, line: Line) -> str:
        name = click.style(line.watcher.ljust(self._width), fg=self._colours.get(line.watcher))
        return f"{name} | {readable(line)}"


def json_text(line: Line) -> str:
    """The line as it was logged. A line that is not JSON becomes a JSON object: of its fields, or with the text under `raw`."""
    if line.fields is None:
        return json.dumps({"watcher": line.watcher, "raw": line.text})
    return json.dumps({**line.fields, "watcher": line.watcher}) if line.watcher == SUPERVISORD else line.text


def readable(line: Line) -> str:
    """The line as `time level event key=value …`. A line that is not JSON stays as it is, but no line controls the terminal."""
    if line.fields is None:
        return "\t".join(map(printable, line.text.split("\t")))
    at, level, event = (printable(str(line.fields.get(key, ""))) for key in ("ts", "level", "event"))
    return " ".join([f"{at} {_coloured(level)} {event}", *map(printable, pairs(line.fields))])


def _coloured(level: str) -> str:
    padded = level.ljust(7)
    return click.style(padded, fg=_LEVEL_COLOURS[level]) if level in _LEVEL_COLOURS else padded
