"""Fixtures that the tests of the page share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.chromium import chromium, chromium_or_skip

EXPECTED_WITHIN_MS = 30_000.0
"""Playwright's own 5 s are too short where browser, agent and other tests share the processor."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium; each test has a context of its own in it. Not for the whole session: its event loop stays in this thread."""
    expect.set_options(timeout=EXPECTED_WITHIN_MS)
    with chromium(chromium_or_skip()) as browser:
        yield browser
