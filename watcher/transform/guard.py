"""The end of a process in which the user's function hangs, and the knowledge of that in the next ones.

A thread looks ten times within the time allowed whether one call has lasted all along. A function may also hang where no other
thread of Python can run, as in a regular expression. Then the thread does not put off the kernel's alarm for the time of the
processor (setitimer(2)), which ends the process. A process that was stopped for a while is not taken for one that hangs.

Before the end, faulthandler writes down where each thread stood, which needs no interpreter. The id of the event is written to
memory that the file shares, so it costs next to nothing, and is there afterwards. The digests of all events on which the function
has hung stand in the same memory, until each is put aside for good. A process may be killed at any moment: nothing is cleared
before it is noted elsewhere.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import mmap
import os
import signal
import threading
import time
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from watcher.private import open_file

ID_BYTES = 4096
"""Beginning of an event's id that is kept. It holds the time and the place in a transaction, and so tells events apart."""

DIGEST_BYTES = 32
MOST_HUNG = 127
"""Events that are remembered. Each process puts aside those that it knows before it goes on, so there are hardly ever two."""

MARK = b"then digests of hung events, 127".ljust(DIGEST_BYTES)
"""Stands behind the id: only files of this version have it, and the digests after it."""

RECORD_BYTES = ID_BYTES + DIGEST_BYTES * (1 + MOST_HUNG)
"""Bytes before the traceback."""

NO_DIGEST = bytes(DIGEST_BYTES)

LOOKS = 10
"""Looks within the time that a call may take."""

logger = logging.getLogger("watcher")


class LastHang(NamedTuple):
    """The call that has ended the last process: the id of its event, and the traceback of all threads."""

    event_id: str
    traceback: str


def last_hang(path: Path) -> LastHang | None:
    """Read from a guard's file how the last process ended; None if not by a hang. The next guard clears that."""
    left = _read(path)
    event_id = left[:ID_BYTES].partition(b"\0")[0].decode(errors="replace")
    traceback = left[RECORD_BYTES if _is_marked(left) else ID_BYTES :].decode(errors="replace")
    return LastHang(event_id, traceback) if event_id and traceback else None


class HangGuard:
    """The watch over the calls, and its file: the id of the event in hand, the digests of the events on which the function hung,
    then the traceback if a call did not return."""

    def __init__(self, path: Path, seconds: float) -> None:
        """Call from the main thread. Where the file cannot be written, a call that hangs ends the process all the same."""
        self.seconds = seconds
        hang = last_hang(path)
        if hang:
            extra = {"eventId": hang.event_id, "traceback": hang.traceback}
            logger.error("the transform did not return, which has ended the last process", extra=extra)
        self._call = 0
        """Number of the call in hand, 0 between two calls."""
        self._calls = 0
        signal.signal(signal.SIGPROF, signal.SIG_DFL)  # whatever the parent has left
        try:
            self._file = os.fdopen(open_file(path, os.O_RDWR | os.O_APPEND), "r+b", buffering=0)
            self._take_over(hang)
            faulthandler.register(signal.SIGPROF, file=self._file, all_threads=True, chain=True)
        except OSError as error:
            logger.warning("no record of the transform's work, in case that it hangs: %s", error)
            self._record = mmap.mmap(-1, RECORD_BYTES)
            self._note(hang)
        threading.Thread(target=self._watch, name="transform-guard", daemon=True).start()

    def begin(self, event_id: bytes) -> None:
        """Note that a call begins, and for which event."""
        kept = event_id[: ID_BYTES - 1] + b"\0"
        self._record[: len(kept)] = kept
        self._calls += 1
        self._call = self._calls

    def end(self) -> None:
        """Note that the call has ended."""
        self._call = 0
        self._record[0] = 0

    def is_hung_at(self, event_id: bytes) -> bool:
        """Return True for an event on which the function has hung in an earlier process, and which was not forgotten since."""
        return bool(self._hung) and _digest(event_id) in self._hung

    def forget(self, event_id: bytes) -> None:
        """Forget that the function hung at an event: it has been put aside, or a person is asked to correct the function."""
        if (number := self._hung.pop(_digest(event_id), None)) is not None:
            self._write(number, NO_DIGEST)

    def forget_all(self) -> None:
        """Forget all events on which the function hung."""
        for number in self._hung.values():
            self._write(number, NO_DIGEST)
        self._hung.clear()

    def _take_over(self, hang: LastHang | None) -> None:
        """Map the file, note the hang in it, and only then clear what told of that. Errors: OSError."""
        number = self._file.fileno()
        if not _is_marked(os.pread(number, RECORD_BYTES, 0)):
            os.ftruncate(number, 0)  # an earlier version's
        if os.fstat(number).st_size < RECORD_BYTES:
            os.ftruncate(number, RECORD_BYTES)
        self._record = mmap.mmap(number, RECORD_BYTES)
        self._note(hang)
        self._record[0] = 0
        os.ftruncate(number, RECORD_BYTES)

    def _note(self, hang: LastHang | None) -> None:
        """Read which events are known, and add that of the last hang. If there are too many, it takes the place of one."""
        self._record[ID_BYTES : ID_BYTES + DIGEST_BYTES] = MARK
        digests = ((number, self._record[_slot(number)]) for number in range(MOST_HUNG))
        self._hung = {digest: number for number, digest in digests if digest != NO_DIGEST}
        """Numbers of the places of the known events, by their digests."""
        digest = _digest(hang.event_id.encode()) if hang else NO_DIGEST
        if not hang or digest in self._hung:
            return
        free = next(iter({*range(MOST_HUNG)} - {*self._hung.values()}), 0)
        self._hung = {known: number for known, number in self._hung.items() if number != free} | {digest: free}
        self._write(free, digest)

    def _write(self, number: int, digest: bytes) -> None:
        self._record[_slot(number)] = digest

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


def _read(path: Path) -> bytes:
    with contextlib.suppress(OSError):
        return path.read_bytes()
    return b""


def _is_marked(left: bytes) -> bool:
    return left[ID_BYTES : ID_BYTES + DIGEST_BYTES] == MARK


def _slot(number: int) -> slice:
    start = ID_BYTES + DIGEST_BYTES * (1 + number)
    return slice(start, start + DIGEST_BYTES)


def _digest(event_id: bytes) -> bytes:
    return sha256(event_id[: ID_BYTES - 1]).digest()
