"""The choice of the table's rows and their order, by the query of the URL. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode

from watcher.agent.page.model import WatcherView, most_urgent_first
from watcher.fleet.status import WatcherState

LONGEST_TEXT = 100
"""Limit in characters for the text to filter by."""

URGENCY = "state"
"""The column by which the table is sorted unless the URL says otherwise: what needs attention first."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column by which the table can be sorted. `value` gives what is compared, or None if it is not known. No `value` means
    the order of urgency. `falls` is true if the first click sorts the largest to the top."""

    key: str
    title: str
    value: Callable[[WatcherView], str | float | datetime | None] | None
    falls: bool = False
    meaning: str = ""


COLUMNS = {
    column.key: column
    for column in (
        Column("name", "Watcher", lambda watcher: watcher.row.name.casefold()),
        Column(URGENCY, "State", None, meaning="Those that need attention first"),
        Column(
            "lag",
            "Lag",
            lambda watcher: watcher.lag_seconds,
            falls=True,
            meaning="How far Kafka is behind MongoDB, by MongoDB's own clock",
        ),
        Column(
            "headroom",
            "Headroom",
            lambda watcher: watcher.headroom_seconds,
            meaning="How long the watcher could be away before MongoDB's oplog no longer holds its position",
        ),
        Column("rate", "Events/s", lambda watcher: watcher.events_per_second, falls=True),
        Column("event", "Last event", lambda watcher: watcher.row.report.last_event_at if watcher.row.report else None, falls=True),
        Column(
            "restarts",
            "Restarts",
            lambda watcher: watcher.row.report.restarts if watcher.row.report else None,
            falls=True,
            meaning="Worker processes that came after an end that nobody wanted",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class RowChoice:
    """The rows that the URL asks for, and their order. `state` is None for any, and `text` is looked for in names and databases."""

    state: WatcherState | None = None
    text: str = ""
    sort: str = URGENCY
    falls: bool = False

    @property
    def query(self) -> dict[str, str]:
        """The differences from the usual choice, as a URL's query."""
        order = f"-{self.sort}" if self.falls else self.sort
        query = {"state": _in_url(self.state) if self.state else "", "q": self.text, "sort": "" if order == URGENCY else order}
        return {key: value for key, value in query.items() if value}

    @property
    def url(self) -> str:
        """The address of this choice."""
        return f"/?{urlencode(self.query)}" if self.query else "/"

    @property
    def all_url(self) -> str:
        """The address of all rows in the same order."""
        return replace(self, state=None, text="").url

    @property
    def is_partial(self) -> bool:
        """True if some rows may be left out."""
        return bool(self.state or self.text)

    def __contains__(self, watcher: WatcherView) -> bool:
        """True if the watcher is among those that were asked for."""
        name = f"{watcher.row.name} {watcher.row.report.database if watcher.row.report else ''}".casefold()
        return self.state in (None, watcher.row.state) and all(word in name for word in self.text.casefold().split())

    def of(self, watchers: Sequence[WatcherView]) -> list[WatcherView]:
        """Choose from all watchers, and sort. Equal ones are in the order of urgency, and what is not known comes last."""
        rows = [watcher for watcher in most_urgent_first(watchers) if watcher in self]
        value = COLUMNS[self.sort].value
        if value is None:
            return rows[::-1] if self.falls else rows
        known = [watcher for watcher in rows if value(watcher) is not None]
        known.sort(key=value, reverse=self.falls)  # type: ignore[arg-type]  # a column's values are of one type, and None is left out
        return known + [watcher for watcher in rows if value(watcher) is None]


@dataclass(frozen=True, slots=True)
class Heading:
    """The heading of a column: the address that sorts by it, and `aria-sort`, which is empty for the other columns."""

    column: Column
    url: str
    direction: str


def choice_of(query: Mapping[str, str]) -> RowChoice:
    """Read the choice from a URL's query. Anything that makes no sense is left out."""
    state = next((state for state in WatcherState if _in_url(state) == query.get("state")), None)
    order = query.get("sort", URGENCY)
    sort = order.removeprefix("-")
    text = " ".join(query.get("q", "")[:LONGEST_TEXT].split())
    return RowChoice(state, text, sort, order != sort) if sort in COLUMNS else RowChoice(state, text)


def headings(choice: RowChoice) -> list[Heading]:
    """Make the headings of the table. The one by which it is sorted leads to the other direction."""
    return [_heading(column, choice) for column in COLUMNS.values()]


def _heading(column: Column, choice: RowChoice) -> Heading:
    if column.key != choice.sort:
        return Heading(column, replace(choice, sort=column.key, falls=column.falls).url, "")
    return Heading(column, replace(choice, falls=not choice.falls).url, "descending" if choice.falls else "ascending")


def _in_url(state: WatcherState) -> str:
    """The state as `status --json` writes it."""
    return state.replace(" ", "_")
