"""No interleaving of workers and commands does harm: explored state by state, through the code that decides.

Each rule that is broken on purpose is found out, so the model can see what it is there for.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.takeover_model import Asker, Broker, Rules, State, Worker, explore
from tests.unit.test_ownership import SETTINGS
from watcher.kafka.position import Stamp
from watcher.kafka.succession import NextStep, Patience, as_fenced_worker
from watcher.model import Owner
from watcher.position.takeover import ATTEMPTS, is_tried_again

pytestmark = pytest.mark.one_python  # a model

RULES = Rules(is_tried_again=lambda attempt: is_tried_again(SETTINGS, attempt, 0.0))

LAST = Asker("Y", attempt=ATTEMPTS)
"""A command that has one attempt left: with all of them there are ten times as many states, and no other faults."""


def start(*workers: str, commands: tuple[Asker, ...] = (Asker("X"),), kills: int = 0) -> State:
    return State(Broker(), tuple(map(Worker, workers)), commands, kills)


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(start("W", kills=2), id="the worker killed twice"),
        pytest.param(start("W", commands=(Asker("X", attempt=ATTEMPTS - 1), LAST)), id="two commands"),
        pytest.param(start("W", "V", commands=(LAST,)), id="a second worker on another host"),
    ],
)
def test_no_interleaving_does_harm(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    explored = explore(state, RULES)
    with capsys.disabled():
        print(f"{explored.states} states", end=" ")
    assert explored.faults == {}


def ends_for_anybody(newest: Stamp, ours: Owner, patience: Patience, now: float) -> tuple[NextStep, Patience]:
    """As 0.1.0 did."""
    answer, patience = as_fenced_worker(replace(newest, command=None), ours, patience, now)
    return answer, patience


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        pytest.param(replace(RULES, worker=ends_for_anybody), "no worker is left", id="a command is taken for a worker"),
        pytest.param(replace(RULES, signs_its_position=False), "no worker is left", id="a command signs its claim alone"),
        pytest.param(replace(RULES, looks_into_history=False), "a change was made twice", id="the history is not read"),
        pytest.param(
            replace(RULES, takes_over_to_look=False),
            "a command says that nothing was changed, and it was",
            id="it looks without taking over",
        ),
    ],
)
def test_a_broken_rule_is_found_out(rules: Rules, fault: str) -> None:
    assert fault in explore(start("W"), rules).faults
