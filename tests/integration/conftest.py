"""Fixtures that the tests of the page share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.chromium import chromium, chromium_or_skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium; each test has a context of its own in it. Not for the whole session: its event loop stays in this thread."""
    with chromium(chromium_or_skip()) as browser:
        yield browser
