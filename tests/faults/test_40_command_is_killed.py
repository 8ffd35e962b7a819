"""Row 40: `watcherctl position` changes the position of a watcher whose worker runs.

Goal: a command that dies has made its change or none. The worker goes on once the claim has ended, and takes the next command.
Method: `position set` goes back to an earlier message under load, and is killed at each point of its takeover; then another one.
"""

from __future__ import annotations

from random import Random

import pytest

from tests.support.failing_command import CLAIM_SECONDS, CommandPoint, program
from tests.support.failing_worker import KILLED
from tests.support.load import Load
from tests.support.position_commands import SOON_S, Repositioned
from watcher.kafka.ownership import COMMAND_SECONDS

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.position_fixtures"]

OUTAGES = {CommandPoint.AFTER_FENCE: (1,), CommandPoint.DURING_CLAIM: (0, 1)}
"""Outages that a worker may count where a command dies before its claim is committed: nothing says then that it was a command."""


@pytest.mark.parametrize(
    ("point", "claim_seconds"),
    [(point, CLAIM_SECONDS) for point in CommandPoint] + [(CommandPoint.AFTER_CLAIM, COMMAND_SECONDS)],
)
def test_a_command_is_killed(point: CommandPoint, claim_seconds: int, watched: Repositioned, load: Load, rng: Random) -> None:
    within_s = SOON_S if point is CommandPoint.AFTER_COMMIT else claim_seconds + 2 * SOON_S
    with load:
        events = watched.first_events()
        with watched.goes_on(within_s, measured=False):
            command = watched.commands.begin(rng.choice(events), python=program(point, claim_seconds))
            out, err = command.communicate(timeout=60)
            assert command.returncode == KILLED, out + err
        with watched.goes_on():
            watched.commands.set(rng.choice(events))
    watched.report.remark(f"after a command that died it goes on in {COMMAND_SECONDS + 2 * SOON_S:.0f} s")
    watched.check(outages=OUTAGES.get(point, (0,)))
