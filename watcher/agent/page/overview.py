"""The overview of the fleet: the strip above the table, and the choice of the table's rows by the query of the URL. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from watcher.agent.page.model import LEVELS, Level, WatcherView
from watcher.fleet.status import WatcherState

ALWAYS_SHOWN = (
    WatcherState.STREAMING,
    WatcherState.WAITING,
    WatcherState.FAILED,
    WatcherState.STANDBY,
    WatcherState.STOPPED,
)
"""The states that have a place in the strip even if no watcher is in them, so that the others stay where they are."""


@dataclass(frozen=True, slots=True)
class RowChoice:
    """The rows that the URL asks for: those in `state`, or in any if it is None."""

    state: WatcherState | None = None

    @property
    def url(self) -> str:
        """The address of this choice."""
        query = {"state": _in_url(self.state)} if self.state else {}
        return f"/?{urlencode(query)}" if query else "/"

    def __contains__(self, watcher: WatcherView) -> bool:
        """True if the watcher is among those that were asked for."""
        return self.state in (None, watcher.row.state)


@dataclass(frozen=True, slots=True)
class StateCount:
    """The number of watchers in a state, and the address of the page that shows only them, or all again if it does already."""

    state: WatcherState
    level: Level
    count: int
    url: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """The whole fleet at a glance. The watcher with the worst lag and the one with the least headroom are None if none is known."""

    states: tuple[StateCount, ...]
    all_url: str
    events_per_second: float
    most_behind: WatcherView | None
    nearest_loss: WatcherView | None


def choice_of(query: Mapping[str, str]) -> RowChoice:
    """Read the choice from a URL's query. Anything that makes no sense is left out."""
    return RowChoice(next((state for state in WatcherState if _in_url(state) == query.get("state")), None))


def strip(watchers: Sequence[WatcherView], choice: RowChoice) -> Strip:
    """Sum up all watchers, whichever of them are chosen."""
    lagging = [watcher for watcher in watchers if watcher.lag_seconds is not None]
    bounded = [watcher for watcher in watchers if watcher.headroom_seconds is not None and watcher.level is not Level.OFF]
    return Strip(
        _counts(watchers, choice),
        replace(choice, state=None).url,
        sum(watcher.events_per_second or 0.0 for watcher in watchers),
        max(lagging, key=lambda watcher: watcher.lag_seconds or 0.0, default=None),
        min(bounded, key=_loss, default=None),
    )


def _counts(watchers: Sequence[WatcherView], choice: RowChoice) -> tuple[StateCount, ...]:
    states = [watcher.row.state for watcher in watchers]
    shown = [*ALWAYS_SHOWN, *(state for state in WatcherState if state not in ALWAYS_SHOWN and state in {*states, choice.state})]
    return tuple(_count(state, states.count(state), choice) for state in shown)


def _count(state: WatcherState, count: int, choice: RowChoice) -> StateCount:
    is_chosen = choice.state is state
    return StateCount(state, LEVELS[state], count, replace(choice, state=None if is_chosen else state).url, is_chosen)


def _loss(watcher: WatcherView) -> tuple[bool, float]:
    """The key that orders watchers by headroom. A lower bound comes after what is known."""
    return watcher.row.oplog_full is False, watcher.headroom_seconds or 0.0


def _in_url(state: WatcherState) -> str:
    """The state as `status --json` writes it."""
    return state.replace(" ", "_")
