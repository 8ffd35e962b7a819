"""What the dynamic loader says when it lacks a library that a program needs, and what to do about it.

The text is glibc's: `mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file: …`
"""

from __future__ import annotations

import re

_MISSING = re.compile(r"error while loading shared libraries: ([^:\s]+): cannot open shared object file")

_PACKAGES = {"libcurl.so.4": "libcurl4"}
"""The package of Debian and Ubuntu, for what a fresh Debian lacks of the wheels' needs."""


def missing_library(log_text: str) -> str | None:
    """The library for want of which the program has just ended: the loader's line is its last."""
    last = next((line for line in reversed(log_text.splitlines()) if line), "")
    found = _MISSING.search(last)
    return found[1] if found else None


def how_to_get(library: str) -> str:
    """A hint."""
    package = _PACKAGES.get(library)
    return f"Debian, Ubuntu: apt-get install {package}" if package else f"install the package of your system that has {library}"
