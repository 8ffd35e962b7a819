"""A limit for the user's function where it is tried by a command. The command must tell of all messages, and so goes on after one
on which the function hangs. A worker has the guard instead.

The kernel's alarm interrupts Python, a wait, and a regular expression. What it does not interrupt, such as other code in C or a
function that catches every exception, ends the process a while later, with a traceback.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

LAST_RESORT = 3
"""Times the limit after which the process ends."""

LIBRARY = str(Path(os.__file__).parent)


class TimedOut(BaseException):
    """The function did not return in time. The text says where it stood. No `except Exception` of the function's catches it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimedOut in the block once it has taken so many seconds, and behind it if the block has caught that. Call from the main
    thread."""
    places = list[str]()

    def time_out(_number: int, frame: FrameType | None) -> None:
        places.append(_place(frame))
        raise TimedOut(places[0])

    before = signal.signal(signal.SIGALRM, time_out)
    faulthandler.dump_traceback_later(LAST_RESORT * seconds, exit=True)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if places:  # a bare `except` of the function's may have caught it
                raise TimedOut(places[0])
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)


def _place(frame: FrameType | None) -> str:
    """Name the innermost place that is not in a library, such as `shape.py:4`; without one, the innermost of all."""
    innermost = frame
    while frame and frame.f_code.co_filename.startswith((LIBRARY, "<frozen")):
        frame = frame.f_back
    found = frame or innermost
    return f"{Path(found.f_code.co_filename).name}:{found.f_lineno}" if found else "an unknown place"
