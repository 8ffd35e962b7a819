"""The strip above the table: the whole fleet at a glance. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from watcher.agent.page.model import LEVELS, Level, WatcherView
from watcher.agent.page.row_choice import RowChoice
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
    events_per_second: float
    most_behind: WatcherView | None
    nearest_loss: WatcherView | None


def strip(watchers: Sequence[WatcherView], choice: RowChoice) -> Strip:
    """Sum up all watchers, whichever of them are chosen."""
    lagging = [watcher for watcher in watchers if watcher.lag_seconds is not None]
    bounded = [watcher for watcher in watchers if watcher.headroom_seconds is not None and watcher.level is not Level.OFF]
    return Strip(
        _counts(watchers, choice),
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
    url = choice.all_url if is_chosen else replace(choice, state=state, text="").url
    return StateCount(state, LEVELS[state], count, url, is_chosen)


def _loss(watcher: WatcherView) -> tuple[bool, float]:
    """The key that orders watchers by headroom. A lower bound comes after what is known."""
    return watcher.row.oplog_full is False, watcher.headroom_seconds or 0.0
