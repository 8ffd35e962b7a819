"""Programs that are not Python's and may be missing: at home a test is skipped without them, in CI it fails."""

from __future__ import annotations

import os
import shutil

import pytest


def find_program(name: str) -> str:
    """The path of a program."""
    found = shutil.which(name)
    if found is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{name} is not installed")
    return str(found)
