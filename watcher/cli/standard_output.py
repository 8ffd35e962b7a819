"""Standard streams that are not as usual: closed, or read by somebody who leaves early, or in an old encoding."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper


def make_streams_usable() -> None:
    """Let nothing be in the place of a closed stream, which Python leaves out. On standard output, escape the characters that its
    encoding lacks, as standard error does: logs and documents may hold any."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115 - for the rest of the process
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """End the block quietly if the reader of our output has gone, as `head` does. Later output is discarded."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python's flush at exit would fail
