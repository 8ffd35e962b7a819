"""A text stream that says it is a terminal."""

from __future__ import annotations

import io


class Terminal(io.StringIO):
    """Remembers what is written to it, and is read as if somebody had typed its content."""

    def isatty(self) -> bool:
        return True
