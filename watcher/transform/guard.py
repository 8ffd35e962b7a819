"""The end of a process in which the user's function hangs, and the knowledge of that in the next one.

A thread looks ten times within the time allowed whether one call has lasted all along. A function may also hang where no other
thread of Python can run, as in a regular expression. Then the thread does not put off the kernel's alarm for the time of the
processor (setitimer(2)), which ends the process. A process that was stopped for a while is not taken for one that hangs.

Before the end, faulthandler writes down where each thread stood, which needs no interpreter. The id of the event is written to
memory that the file shares, so it costs next to nothing, and is there afterwards.
"""

from __future__ import annotations

import faulthandler
import logging
import mmap
import os
import signal
import threading
import time
from pathlib import Path

from watcher.private import open_file

ID_BYTES = 4096
"""Beginning of an event's id that is kept. It holds the time and the place in a transaction, and so tells events apart."""

LOOKS = 10
"""Looks within the time that a call may take."""

logger = logging.getLogger("watcher")


class HangGuard:
    """The watch over the calls, and its file: the id of the event in hand, then the traceback if a call did not return."""

    def __init__(self, path: Path, seconds: float) -> None:
        """Call from the main thread. Where the file cannot be written, a call that hangs ends the process all the same."""
        self.seconds = seconds
        self._hung_id = _look_back(path)
        self._call = 0
        """Number of the call in hand, 0 between two calls."""
        self._calls = 0
        signal.signal(signal.SIGPROF, signal.SIG_DFL)  # whatever the parent has left
        try:
            self._file = os.fdopen(open_file(path, os.O_RDWR | os.O_TRUNC), "w+b", buffering=0)
            self._file.write(bytes(ID_BYTES))
            self._id = mmap.mmap(self._file.fileno(), ID_BYTES)
            faulthandler.register(signal.SIGPROF, file=self._file, all_threads=True, chain=True)
        except OSError as error:
            logger.warning("no record of the transform's work, in case that it hangs: %s", error)
            self._id = mmap.mmap(-1, ID_BYTES)
        threading.Thread(target=self._watch, name="transform-guard", daemon=True).start()

    def begin(self, event_id: bytes) -> None:
        """Note that a call begins, and for which event."""
        kept = event_id[: ID_BYTES - 1] + b"\0"
        self._id[: len(kept)] = kept
        self._calls += 1
        self._call = self._calls

    def end(self) -> None:
        """Note that the call has ended."""
        self._call = 0
        self._id[0] = 0

    def is_hung_at(self, event_id: bytes) -> bool:
        """Return True for the event on which the function hung in the last process."""
        return bool(self._hung_id) and self._hung_id == event_id[: ID_BYTES - 1]

    def _watch(self) -> None:
        """End the process when LOOKS looks in a row have met the same call; until then put off the alarm."""
        met, times = 0, 0
        while True:
            signal.setitimer(signal.ITIMER_PROF, self.seconds)
            time.sleep(self.seconds / LOOKS)
            call = self._call
            met, times = call, times + 1 if call and call == met else 0
            if times >= LOOKS:
                os.kill(os.getpid(), signal.SIGPROF)


def _look_back(path: Path) -> bytes:
    """Return the id of the event on which the function hung in the last process; empty if it did not."""
    try:
        left = path.read_bytes()
    except OSError:
        return b""
    event_id, traceback = left[:ID_BYTES].partition(b"\0")[0], left[ID_BYTES:].decode(errors="replace")
    if not event_id or not traceback:
        return b""
    logger.error("the transform did not return, which has ended the last process", extra={"traceback": traceback})
    return event_id
