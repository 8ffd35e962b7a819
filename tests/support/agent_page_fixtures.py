"""The agent's page; a module of tests with it names this one in `pytest_plugins`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.agent_page import (
    TOKEN,
    Page,
)


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page(tmp_path, token=TOKEN, read_without_token=True)
