"""Mark for tests of what is compiled: skipped at home without a C compiler, and failing in CI."""

from __future__ import annotations

import os

import pytest

from watcher.messages.serializations.template import COMPILED

NEEDS_C = pytest.mark.skipif(
    not COMPILED and not os.environ.get("CI"), reason="the part in C was not compiled: no C compiler, or no Python.h"
)
