"""Services of the operating system for a worker: it hears that it should stop, ends with supervisord, and is alone on this host."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from watcher.errors import ExitCode, NotOwner
from watcher.private import open_file, refusal

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
NUDGE = signal.SIGURG
"""Signal by which a command tells the worker on its host that it has taken the watcher over. Processes ignore it by default: so it
does no harm to a worker of an older release, nor to a stranger that has got the number of one that has ended."""

DRAIN_SECONDS = 12.0
"""Time after which a worker that was told to stop ends at once, whatever call it hangs in. That is safe at any point: the next
worker aborts an open transaction, and reads its changes again."""

SAME_STOP_SECONDS = 1.0
"""Time within which several signals count as one request: a terminal's Ctrl-C and timeout(1) reach a process twice."""

LOCK_SECONDS = 20.0
"""Longest wait for the previous worker to end; a worker of a killed supervisord may still be draining."""

PR_SET_PDEATHSIG = 1
SUPERVISED = "SUPERVISOR_ENABLED"
"""Environment variable that supervisord sets for its children."""

logger = logging.getLogger("watcher")


class StopRequest(threading.Event):
    """Event that is set when the worker should stop. The thread that sets it then tells those who wait for something else."""

    def __init__(self) -> None:
        super().__init__()
        self._listeners: list[Callable[[], None]] = []

    def tell(self, listener: Callable[[], None]) -> None:
        """Call `listener` when the event is set; at once if it is."""
        self._listeners.append(listener)
        if self.is_set():
            listener()

    def set(self) -> None:
        super().set()
        for listener in self._listeners:
            listener()


class Nudge:
    """A request to save the position now: whoever has lost the watcher notices by that."""

    def __init__(self) -> None:
        self._given = threading.Event()

    def give(self) -> None:
        """Ask for it."""
        self._given.set()

    def take(self) -> bool:
        """Return True if it was asked for since the last time."""
        given = self._given.is_set()
        if given:
            self._given.clear()
        return given


@contextlib.contextmanager
def stop_requested(stopping: threading.Event, on_nudge: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Set `stopping` on SIGTERM or SIGINT. A second signal ends the process at once; so does the end of DRAIN_SECONDS. Call
    `on_nudge` on SIGURG.

    A thread waits for the signals (sigwait(3)). Handlers would have to wait for the main thread, which may hang in librdkafka.
    """

    def listen() -> None:
        while signal.sigwait((*STOP_SIGNALS, NUDGE)) == NUDGE:
            on_nudge()
        stopping.set()
        time.sleep(SAME_STOP_SECONDS)
        while signal.sigtimedwait(STOP_SIGNALS, 0):
            pass
        if signal.sigtimedwait(STOP_SIGNALS, DRAIN_SECONDS - SAME_STOP_SECONDS) is None:
            logger.warning("not drained within %.0f s; what is not committed will be read again", DRAIN_SECONDS)
        logging.shutdown()
        os._exit(ExitCode.STOPPED)

    signal.pthread_sigmask(signal.SIG_BLOCK, (*STOP_SIGNALS, NUDGE))  # inherited by every thread started from here on
    threading.Thread(target=listen, name="signals", daemon=True).start()
    yield


def die_with_parent() -> None:
    """Under supervisord, ask for SIGTERM when supervisord is killed (prctl(2)). Otherwise its successor would start a second set of
    workers."""
    if SUPERVISED not in os.environ:
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def only_one(path: Path, stopping: threading.Event, *, patient: bool = False) -> Iterator[bool]:
    """Hold the watcher's lock file; yields False if it was told to stop before another worker on this host has let go of it.

    Errors: NotOwner if that one keeps it for LOCK_SECONDS. A `patient` worker goes on waiting.
    """
    with contextlib.ExitStack() as stack:
        try:
            lock: TextIO | None = stack.enter_context(_opened(path))
        except PermissionError:  # no place for a lock; Kafka's fencing still holds
            logger.warning("no lock file: %s: %s", *refusal(path))
            lock = None
        except OSError as error:
            logger.warning("no lock file: %s", error)
            lock = None
        yield lock is None or _acquire(lock, stopping, patient=patient)


@contextlib.contextmanager
def beside_worker(path: Path) -> Iterator[str]:
    """Hold the watcher's lock file, so that no worker starts meanwhile; yields "". If a worker has it, yields its process id, or
    "unknown". Errors: OSError."""
    with _opened(path) as lock:
        yield "" if _try(lock) else _holder(lock)


def nudge(pid: str) -> None:
    """Tell a worker of this host to look whose its watcher is. Nothing happens if it has ended."""
    with contextlib.suppress(OSError, ValueError):
        os.kill(int(pid), NUDGE)


def _opened(path: Path) -> TextIO:
    return os.fdopen(open_file(path, os.O_RDWR | os.O_APPEND), "a+")


def _acquire(lock: TextIO, stopping: threading.Event, *, patient: bool) -> bool:
    deadline = time.monotonic() + LOCK_SECONDS
    while not _try(lock):
        if time.monotonic() > deadline:
            deadline = float("inf")
            other = f"Another worker of this watcher runs on this host: process {_holder(lock)}."
            if not patient:
                raise NotOwner(
                    other, hint="Is there a second fleet with the same configuration, or a `watcherctl run` in a terminal?"
                )
            logger.warning("%s This one waits for its end.", other)
        if stopping.wait(0.2):
            return False
    return True


def _try(lock: TextIO) -> bool:
    """Take the lock if it is free; returns True then."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    _leave_name(lock)
    return True


def _holder(lock: TextIO) -> str:
    lock.seek(0)
    return lock.read().strip() or "unknown"


def _leave_name(lock: TextIO) -> None:
    lock.truncate(0)
    with contextlib.suppress(OSError):  # a full disk
        lock.write(f"{os.getpid()}\n")
        lock.flush()
