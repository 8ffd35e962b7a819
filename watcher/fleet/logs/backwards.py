"""A log read from its end: whole lines, in pieces, each byte once."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

FIRST_PIECE_BYTES = 64 * 1024
LARGEST_PIECE_BYTES = 4 * 1024 * 1024
PIECE_GROWTH = 4


Judge = Callable[[bytes], bool]
"""Returns True for a line of the log's own, and False for one that belongs to the line before: a traceback's, or one that a full
disk has cut."""


def is_json_object(line: bytes) -> bool:
    """Judge a line of a worker's log: its own are JSON objects."""
    return line.startswith(b"{") and json_object(line) is not None


def pieces(path: Path, most_bytes: float = math.inf, is_own: Judge = is_json_object) -> Iterator[list[bytes]]:
    """Yield the lines of a file, without their ends, in pieces from the last one to the first; the lines of a piece are in order.

    A piece begins with a line of the log's own, if it has one; `is_own` tells them.
    The last piece begins with the first complete line within the last `most_bytes`, or at the beginning of the file.
    """
    end = path.stat().st_size
    first = max(0, end - int(min(most_bytes, end)))
    span, rest = FIRST_PIECE_BYTES, b""
    with path.open("rb") as file:
        while end > first:
            start = max(first, end - span)
            file.seek(start)
            text = file.read(end - start) + rest
            end = start
            begin = _first_line(file, text, start) if start == first else _first_own(text, is_own)
            if start != first and not begin:
                rest = text
            else:
                rest = text[:begin]
                if lines := text[begin:].removesuffix(b"\n"):
                    yield lines.split(b"\n")
            span = min(span * PIECE_GROWTH, LARGEST_PIECE_BYTES)


def newest_first(path: Path) -> Iterator[Path]:
    """Yield the files into which supervisord has rotated one log, the newest first."""
    number = 0
    part = path
    while part.exists():
        yield part
        number += 1
        part = path.with_name(f"{path.name}.{number}")


def _first_own(text: bytes, is_own: Judge) -> int:
    """Return where the first line begins that is one of the log's own and not the first line of all; 0 if there is none."""
    begin = text.find(b"\n") + 1
    while begin and not is_own(_line_at(text, begin)):
        begin = text.find(b"\n", begin) + 1
    return begin


def _line_at(text: bytes, begin: int) -> bytes:
    end = text.find(b"\n", begin)
    return text[begin:] if end < 0 else text[begin:end]


def json_object(line: str | bytes) -> dict[str, Any] | None:
    """Read a line that is a JSON object; None if it is none. A worker's log also holds what libraries and users' code print."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):  # the second for lists in lists without an end
        return None
    return found if isinstance(found, dict) else None


def _first_line(file: BinaryIO, text: bytes, start: int) -> int:
    """Return where the first complete line of `text` begins, which stands at the byte `start` of the file."""
    if not start:
        return 0
    file.seek(start - 1)
    return 0 if file.read(1) == b"\n" else (text.find(b"\n") + 1 or len(text))
