"""The end of a process in which the user's function hangs, and the knowledge of that in the next ones.

A thread looks ten times within the time allowed whether one call has lasted all along. A function may also hang where no other
thread of Python can run, as in a regular expression. Then the thread does not put off the kernel's alarm for the time of the
processor (setitimer(2)), which ends the process. A process that was stopped for a while is not taken for one that hangs.

Before the end, faulthandler writes down where each thread stood, which needs no interpreter. The id of the event is written to
memory that the file shares, so it costs next to nothing, and is there afterwards. The digests of events on which the function has
hung stand in the same memory. Each goes when this host has put its event aside, and all go when the function is another one. Where
another host has put the event aside, its digest stays until then: a rewind would meet the same function. A process may be killed at
any moment: nothing is cleared before it is noted elsewhere.
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
from fcntl import F_GETFL, F_SETFL, fcntl
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from watcher.private import open_file

ID_BYTES = 4096
"""Beginning of an event's id that is kept. It holds the time and the place in a transaction, and so tells events apart."""

DIGEST_BYTES = 32
MOST_HUNG = 126
"""Events that are remembered. A process puts aside those that it meets, so there are few: one in hand, and those that another host
has put aside."""

MARK = b"then module and 126 hung events".ljust(DIGEST_BYTES)
"""Stands behind the id: only files of this version have it, and after it the digests of the module's text and of the events."""

MODULE = slice(ID_BYTES + DIGEST_BYTES, ID_BYTES + 2 * DIGEST_BYTES)
"""Place of the digest of the module's text."""

RECORD_BYTES = ID_BYTES + DIGEST_BYTES * (2 + MOST_HUNG)
"""Bytes before the traceback."""

NO_DIGEST = bytes(DIGEST_BYTES)

IDENTITY = "\n"
"""Stands behind an event's id in the name of a call, if that goes on with what tells the event apart better."""

LOOKS = 10
"""Looks within the time that a call may take."""

logger = logging.getLogger("watcher")


class LastHang(NamedTuple):
    """The call that has ended the last process: the id of its event, the traceback of all threads, and the call's name. `module` is
    the digest of the text of the function's module, empty if not known."""

    event_id: str
    traceback: str
    call: bytes
    module: bytes


def last_hang(path: Path) -> LastHang | None:
    """Read from a guard's file how the last process ended; None if not by a hang. The next guard clears that."""
    left = _read(path)
    call = left[:ID_BYTES].partition(b"\0")[0]
    event_id = call.decode(errors="replace").partition(IDENTITY)[0]
    traceback = left[RECORD_BYTES if _is_marked(left) else ID_BYTES :].decode(errors="replace")
    module = left[MODULE] if _is_marked(left) else b""
    return LastHang(event_id, traceback, call, module.strip(b"\0") and module) if event_id and traceback else None


def is_ours_to_clear(path: Path) -> bool:
    """Tell whether a guard here can write to its file. If not, what the file tells may be long over. A missing file is made."""
    try:
        os.close(open_file(path, os.O_RDWR))
    except OSError:
        return False
    return True


class HangGuard:
    """The watch over the calls, and its file: the id of the event in hand, the digests of the events on which the function hung,
    then the traceback if a call did not return."""

    def __init__(self, path: Path, seconds: float, module: bytes = NO_DIGEST) -> None:
        """Call from the main thread. `module` is the digest of the text of the function's module: with another one than before, all
        that is known of hangs is over. Where the file cannot be written, a call that hangs ends the process all the same."""
        self.seconds = seconds
        self._module = module
        hang = last_hang(path)
        if hang:
            extra = {"eventId": hang.event_id, "traceback": hang.traceback}
            logger.error("the transform did not return, which has ended the last process", extra=extra)
        self._call = 0
        """Number of the call in hand, 0 between two calls."""
        self._calls = 0
        signal.signal(signal.SIGPROF, signal.SIG_DFL)  # whatever the parent has left
        try:
            self._file = os.fdopen(open_file(path, os.O_RDWR), "r+b", buffering=0)
            self._take_over(hang)
            faulthandler.register(signal.SIGPROF, file=self._file, all_threads=True, chain=True)
        except OSError as error:
            logger.warning("no record of the transform's work, in case that it hangs: %s", error)
            self._record = mmap.mmap(-1, RECORD_BYTES)
            self._note(hang)
        threading.Thread(target=self._watch, name="transform-guard", daemon=True).start()

    def begin(self, call: bytes) -> None:
        """Note that a call begins. Its name, here and below, begins with the id of its event, and may go on behind IDENTITY."""
        kept = call[: ID_BYTES - 1] + b"\0"
        self._record[: len(kept)] = kept
        self._calls += 1
        self._call = self._calls

    def end(self) -> None:
        """Note that the call has ended."""
        self._call = 0
        self._record[0] = 0

    def is_hung_at(self, call: bytes) -> bool:
        """Return True for a call in which the function has hung in an earlier process, and which was not forgotten since."""
        return bool(self._hung) and _digest(call) in self._hung

    def forget(self, call: bytes) -> None:
        """Forget that the function hung in a call: its event has been put aside."""
        if (number := self._hung.pop(_digest(call), None)) is not None:
            self._write(number, NO_DIGEST)

    def forget_all(self) -> None:
        """Forget all events on which the function hung: a person is asked to correct it."""
        for number in self._hung.values():
            self._write(number, NO_DIGEST)
        self._hung.clear()

    def _take_over(self, hang: LastHang | None) -> None:
        """Map the file, note the hang in it, and only then clear what told of that. Errors: OSError."""
        number = self._file.fileno()
        if not _is_marked(os.pread(number, RECORD_BYTES, 0)):
            os.ftruncate(number, 0)  # an earlier version's
        os.posix_fallocate(number, 0, RECORD_BYTES)  # the first write to a hole on a full disk would be a SIGBUS
        fcntl(number, F_SETFL, fcntl(number, F_GETFL) | os.O_APPEND)  # not before: posix_fallocate may have to write
        self._record = mmap.mmap(number, RECORD_BYTES)
        self._note(hang)
        self._record[0] = 0
        os.ftruncate(number, RECORD_BYTES)
        self._record[MODULE] = self._module  # last, so that no other is taken for that of the hang

    def _note(self, hang: LastHang | None) -> None:
        """Read which events are known, and add that of the last hang. If there are too many, it takes the place of one. Forget all
        if the function is another one now."""
        self._record[ID_BYTES : ID_BYTES + DIGEST_BYTES] = MARK
        digests = ((number, self._record[_slot(number)]) for number in range(MOST_HUNG))
        self._hung = {digest: number for number, digest in digests if digest != NO_DIGEST}
        """Numbers of the places of the known events, by their digests."""
        if self._record[MODULE] not in (NO_DIGEST, self._module):
            self.forget_all()
        if not hang or hang.module not in (b"", self._module) or (digest := _digest(hang.call)) in self._hung:
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
    start = MODULE.stop + DIGEST_BYTES * number
    return slice(start, start + DIGEST_BYTES)


def _digest(call: bytes) -> bytes:
    return sha256(call[: ID_BYTES - 1].rpartition(IDENTITY.encode())[2]).digest()
