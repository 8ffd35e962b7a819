"""The place for a running command's temporary files; a module of tests with it names this one in `pytest_plugins`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running_command import processes_of


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The only place where the command can make its directory; afterwards nothing is in it, and no process knows it."""
    directory = tmp_path_factory.mktemp("d")
    yield directory
    assert list(directory.iterdir()) == []
    assert processes_of(directory) == []
