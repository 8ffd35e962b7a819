"""No interleaving of hosts leaves a watcher without a worker, or lets two write: explored state by state, through the code that
decides.

Each rule that is broken on purpose is found out, so the model can see what it is there for.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.lease_model import Rules, State, Worker, explore
from watcher.kafka.lease_rules import Turn, belongs_in_group, next_turn

pytestmark = pytest.mark.one_python  # a model

RULES = Rules()
FOREIGNER = Worker("F", has_lease=False)


def hosts(*names: str, faults: int, events: int = 1, others: tuple[Worker, ...] = ()) -> State:
    return State((*map(Worker, names), *others), faults, events)


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(hosts("A", "B", faults=2, events=0), id="two hosts, without changes"),
        pytest.param(hosts("A", "B", faults=1, events=2), id="two hosts and two events"),
        pytest.param(hosts("A", "B", "C", faults=1, events=0), id="three hosts, without changes"),
        pytest.param(hosts("A", faults=1, events=2, others=(FOREIGNER,)), id="a worker without a lease"),
    ],
)
def test_no_interleaving_does_harm(start: State, capsys: pytest.CaptureFixture[str]) -> None:
    explored = explore(start, RULES)
    with capsys.disabled():
        print(f"{explored.states} states", end=" ")
    assert explored.faults == {}


def parks(level: bool, displaced_at: float | None, now: float) -> Turn:
    """Being displaced as an event: wait to be given the lease anew."""
    return Turn.STAND_BY if level and displaced_at is not None else next_turn(level, displaced_at, now)


def waits_for_another_for_ever(turned_at: float, left_at: float | None, now: float) -> bool:
    return left_at is None and belongs_in_group(turned_at, left_at, now)


def ignores_the_level(level: bool, displaced_at: float | None, now: float) -> Turn:
    return next_turn(True, displaced_at, now)


@pytest.mark.parametrize(
    ("rules", "faults", "found"),
    [
        pytest.param(replace(RULES, turn=parks), 1, "nobody will ever be active", id="it waits to be given the lease anew"),
        pytest.param(replace(RULES, turn=ignores_the_level), 0, "disturbed by another", id="a standby opens"),
        pytest.param(
            replace(RULES, belongs=lambda _turned, left, now: belongs_in_group(now, left, now)),
            1,
            "nobody will ever be active",
            id="no watchdog",
        ),
        pytest.param(replace(RULES, forgets_its_claim=False), 1, "nobody will ever be active", id="it insists on its old claim"),
        pytest.param(replace(RULES, claims_before_it_reads=False), 1, "two have written", id="the position is read too early"),
    ],
)
def test_a_broken_rule_is_found_out(rules: Rules, faults: int, found: str) -> None:
    explored = explore(hosts("A", "B", faults=faults), rules)
    assert any(found in fault for fault in explored.faults), explored.faults


def test_a_switchover_to_nobody_must_end() -> None:
    """As when the other host dies at this moment."""
    explored = explore(hosts("A", faults=1), replace(RULES, belongs=waits_for_another_for_ever))
    assert "nobody will ever be active again" in explored.faults
