"""Row 40: `watcherctl position` changes the position of a watcher whose worker runs.

Goal: the worker goes on at the new position by itself, without an error, an exit or a restart: within 3 s, or within 12 s if it is
idle on another host, where no signal reaches it. Each change happens once or not at all. From each position on, the changes come
once and in order.
Method: `position set` goes back to an earlier message under load, without load, in a backlog, with another state directory as on
another host, while the worker is frozen by SIGSTOP, and twice at once.
"""

from __future__ import annotations

import signal
from random import Random

import pytest

from tests.support.load import Load
from tests.support.position_commands import SOON_S, Repositioned
from watcher.position.history import LIMIT

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.position_fixtures"]

IDLE_ELSEWHERE_S = 12.0
COMMANDS, COMMANDS_LONG = 3, 40
LARGE_DOCUMENTS, LARGE_TEXT = 1000, "x" * 20_000


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same host", "another host"])
def test_under_load(elsewhere: bool, watched: Repositioned, load: Load, rng: Random, long_form: bool) -> None:
    with load:
        events = watched.first_events()
        for _ in range(COMMANDS_LONG if long_form else COMMANDS):
            with watched.goes_on():
                watched.commands.set(rng.choice(events), elsewhere=elsewhere)
    watched.check()


@pytest.mark.parametrize(
    ("elsewhere", "within_s"),
    [pytest.param(False, SOON_S, id="same host"), pytest.param(True, IDLE_ELSEWHERE_S, id="another host")],
)
def test_without_load(elsewhere: bool, within_s: float, watched: Repositioned) -> None:
    for number in range(2):
        watched.oracle.insert("users", f"number {number}")
    first, _ = watched.first_events(2)
    with watched.goes_on(within_s):
        watched.commands.set(first, elsewhere=elsewhere)
    watched.check()


def test_a_frozen_worker(watched: Repositioned, load: Load, rng: Random) -> None:
    with load:
        events = watched.first_events()
        with watched.goes_on():
            watched.worker.signal(signal.SIGSTOP)
            watched.commands.set(rng.choice(events))
            watched.worker.signal(signal.SIGCONT)
    watched.check()


def set_both(watched: Repositioned, here: str, there: str) -> None:
    """Give two commands at once, the second as on another host."""
    both = [watched.commands.begin(here), watched.commands.begin(there, elsewhere=True)]
    told = [command.communicate(timeout=90) for command in both]
    assert [command.returncode for command in both] == [0, 0], told


def test_two_at_once(watched: Repositioned, load: Load, rng: Random, long_form: bool) -> None:
    with load:
        events = watched.first_events()
        for _ in range(COMMANDS_LONG // 2 if long_form else 1):
            with watched.goes_on():
                set_both(watched, *rng.sample(events, 2))
    assert len(watched.commands.ids) in (2, LIMIT)
    watched.check()


def test_in_a_backlog(watched: Repositioned) -> None:
    """The second of two commands comes while the worker delivers again what the first wants, many requests to a transaction."""
    for number in range(LARGE_DOCUMENTS):
        watched.oracle.insert("users", f"number {number}", text=LARGE_TEXT)
    first, second, *_ = watched.first_events()
    for _ in range(COMMANDS):
        with watched.goes_on():
            set_both(watched, first, second)
    watched.check()
