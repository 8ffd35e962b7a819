"""The choice of a log's lines, by the query of the URL. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from watcher.fleet.logs.lines import LEVELS, Line, Wanted, head_of

LONGEST_TEXT = 200
"""Limit in characters for the text to look for."""

STATUS_EVENT = "status"
"""The event of the lines in which a worker tells its status every few seconds: most of a log, and seldom what is looked for."""


@dataclass(frozen=True, slots=True)
class LogChoice(Wanted):
    """The lines that hold `text`, in any case of letters; those that tell the status only with `has_status`."""

    text: str = ""
    has_status: bool = True

    @property
    def unwanted(self) -> re.Pattern[bytes]:
        """As of all logs, and the beginning of those that tell the status."""
        return head_of(self.level, "" if self.has_status else STATUS_EVENT)

    def __contains__(self, line: Line) -> bool:
        """True if the line is among those that were asked for."""
        if not self.has_status and line.fields is not None and line.fields.get("event") == STATUS_EVENT:
            return False
        return Wanted.__contains__(self, line) and self.text.casefold() in line.text.casefold()


def log_choice_of(query: Mapping[str, str], *, has_status: bool) -> LogChoice:
    """Read the choice from a URL's query: `level`, `search`, and `status` as `1` or `0`. What makes no sense is left out."""
    level = query.get("level", "")
    return LogChoice(
        level=level if level in LEVELS else LEVELS[0],
        text=query.get("search", "")[:LONGEST_TEXT].strip(),
        has_status={"1": True, "0": False}.get(query.get("status", ""), has_status),
    )
