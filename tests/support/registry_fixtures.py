"""A schema registry for the tests that need it; such a module says `pytest_plugins = ["tests.support.registry_fixtures"]`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.registry import Apicurio, ConfluentReader, registry_or_skip


@pytest.fixture(scope="session")
def registry(server_directory: Path) -> Iterator[Apicurio]:
    """One registry for the whole session. It may be started again, and then it is empty."""
    with registry_or_skip(server_directory / "registry") as running:
        yield running


@pytest.fixture
def reader(registry: Apicurio) -> Iterator[ConfluentReader]:
    """A reader that knows no schema yet."""
    with ConfluentReader(registry.url) as reader:
        yield reader
