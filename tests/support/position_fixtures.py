"""A worker whose position is changed; a module of tests with it names this one and worker_fixtures in `pytest_plugins`."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support.fault_matrix import FaultReport
from tests.support.load import OPEN_S, Load
from tests.support.oracle import Oracle
from tests.support.position_commands import PositionCommands, Repositioned
from tests.support.worker import Inbox, Launch
from watcher.sandbox.kafka import ApacheKafka


@pytest.fixture
def watched(
    launch: Launch,
    settings: dict[str, Any],
    apache: ApacheKafka,
    tmp_path: Path,
    oracle: Oracle,
    inbox: Inbox,
    fault_report: FaultReport,
) -> Repositioned:
    """A worker that streams."""
    worker = launch(settings)
    worker.reached()
    return Repositioned(worker, PositionCommands(worker, tmp_path / "elsewhere"), oracle, inbox, fault_report)


@pytest.fixture
def load(oracle: Oracle, rng: Random) -> Load:
    """A load that a `with` block begins."""
    return Load(oracle, seed=rng.randrange(2**32), pause_s=OPEN_S)
