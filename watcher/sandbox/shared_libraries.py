"""Recognises the dynamic loader's message about a missing shared library, and suggests a remedy.

The text is glibc's: `mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file: …`
"""

from __future__ import annotations

import re

_MISSING = re.compile(r"error while loading shared libraries: ([^:\s]+): cannot open shared object file")

_PACKAGES = {"libcurl.so.4": "libcurl4"}
"""Packages of Debian and Ubuntu with the libraries that the wheels need and a fresh Debian lacks."""


def missing_library(log_text: str) -> str | None:
    """Return the library whose absence has just ended the program. The loader's line is the last one of its log."""
    last = next((line for line in reversed(log_text.splitlines()) if line), "")
    found = _MISSING.search(last)
    return found[1] if found else None


def how_to_get(library: str) -> str:
    """Return a hint on how to install a library."""
    package = _PACKAGES.get(library)
    return f"Debian, Ubuntu: apt-get install {package}" if package else f"install the package of your system that has {library}"
