"""For tests of what is compiled: a mark that skips them at home without a C compiler, and not in CI; and a topic for each route."""

from __future__ import annotations

import os
import sys

import pytest

from watcher.messages.serializations.template import COMPILED

NEEDS_C = pytest.mark.skipif(
    not COMPILED and not os.environ.get("CI"), reason="the part in C was not compiled: no C compiler, or no Python.h"
)


def topic_of(operation: str, database: str, collection: str) -> tuple[str, int, bytes, bytes]:
    """Name the topic of a route, without a limit and anything in front of messages."""
    return f"{operation} {database} {collection}", sys.maxsize, b"", b""
