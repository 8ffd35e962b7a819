"""A fleet of stand-ins; a module of tests with it names this one in `pytest_plugins`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stand_in_fleet import StandIns


@pytest.fixture
def base() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fl-", dir="/tmp") as directory:
        yield Path(directory)


@pytest.fixture
def fleet(base: Path) -> Iterator[StandIns]:
    fleet = StandIns(base)
    yield fleet
    fleet.down()
