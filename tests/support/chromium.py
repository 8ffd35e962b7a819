"""Debian's Chromium without a window, for tests of the page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

PROGRAMS = ("chromium", "chromium-browser")


def find_chromium() -> str | None:
    """Return its path; None if it is not installed."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


def chromium_or_skip() -> str:
    """Path of Chromium; without it the test is skipped at home, and fails in CI."""
    if path := find_chromium():
        return path
    reason = "needs Chromium: apt-get install chromium"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """A browser; its sandbox is off where it cannot be had, which is for root."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=path, args=arguments) as browser:
        yield browser
