"""Messages to systemd, if it asks for them: that the worker is ready, what it does, and that it is alive (sd_notify(3))."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping

from watcher.status.report import StatusReport, WorkerState

SOCKET = "NOTIFY_SOCKET"
WATCHDOG_USEC = "WATCHDOG_USEC"
WATCHDOG_PID = "WATCHDOG_PID"

MICROSECOND = 1e-6
SEND_SECONDS = 0.5
"""Longest wait for a busy systemd. The status file waits too, but the stream does not."""

ENDING = (WorkerState.STOPPING, WorkerState.STOPPED, WorkerState.FAILED)
TOLD_WITH_ITS_ERROR = (WorkerState.WAITING, WorkerState.FAILED)


class Notifier:
    """Tells systemd what the status file tells everyone else. Does nothing without $NOTIFY_SOCKET."""

    def __init__(self, environment: Mapping[str, str] = os.environ, waited_at: Callable[[], float] = lambda: float("-inf")) -> None:
        """`waited_at` tells when, by a monotonic clock, the worker was last known to wait for an answer of MongoDB's. That is a
        sign of life too."""
        self._waited_at = waited_at
        self._address = _address(environment.get(SOCKET, ""))
        self._watchdog_seconds = _watchdog_seconds(environment)
        self._told = ""
        self._last_sign: object = None
        self._last_beat = time.monotonic()

    def tell(self, report: StatusReport) -> None:
        """Tell what is new in the report. Call this every few seconds, and on changes of state."""
        if not self._address:
            return
        lines = [*self._announcements(report), *self._heartbeat(report)]
        if lines and not _send(self._address, "\n".join(lines)):
            self._told = ""  # so that it is sent again

    def _announcements(self, report: StatusReport) -> Iterator[str]:
        if (text := _in_words(report)) == self._told:
            return
        self._told = text
        if report.state in (WorkerState.STREAMING, WorkerState.STANDBY):
            yield "READY=1"  # systemd ignores it from the second time on
        if report.state in ENDING:
            yield "STOPPING=1"
        yield f"STATUS={text}"

    def _heartbeat(self, report: StatusReport) -> Iterator[str]:
        """Send a heartbeat twice as often as systemd wants it, as it recommends, but only after a new sign of life."""
        sign = (_sign_of_life(report), self._waited_at())
        due = self._watchdog_seconds and time.monotonic() - self._last_beat >= self._watchdog_seconds / 2
        if due and sign != self._last_sign:
            self._last_sign, self._last_beat = sign, time.monotonic()
            yield "WATCHDOG=1"


def _sign_of_life(report: StatusReport) -> object:
    """Return a value that changes whenever the worker makes progress: it commits, meets an outage, or hears from MongoDB with
    nothing left to commit. A worker that stands by makes none, and if its main loop hangs, it has lost its place in the group."""
    if report.state == WorkerState.STANDBY:
        return report.updated_at
    polled_at = None if report.queue_messages else report.last_poll_at
    return (report.state, report.reopens, report.last_commit_at, polled_at)


def _in_words(report: StatusReport) -> str:
    """Write one line for `systemctl status`: the state, with the error if that is the reason for the state. A standby says who is
    active."""
    if report.state == WorkerState.STANDBY and report.active_host:
        return f"{report.state}: active on {report.active_host}"
    error = report.last_error if report.state in TOLD_WITH_ITS_ERROR else None
    return " ".join(f"{report.state}: {error.message}".split()) if error else str(report.state)


def _address(name: str) -> str:
    """Return the address for connect(2). systemd gives a path, or a name with `@` for an abstract socket; other kinds are
    ignored."""
    if name.startswith("@"):
        return f"\0{name[1:]}"
    return name if name.startswith("/") else ""


def _watchdog_seconds(environment: Mapping[str, str]) -> float:
    """Return the seconds within which systemd wants a sign of life from this process; 0 if it wants none."""
    if environment.get(WATCHDOG_PID, str(os.getpid())) != str(os.getpid()):
        return 0.0
    return int(environment.get(WATCHDOG_USEC, 0)) * MICROSECOND


def _send(address: str, text: str) -> bool:
    """Send a message to systemd; returns True if it was sent."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to_systemd:
        to_systemd.settimeout(SEND_SECONDS)
        try:
            to_systemd.sendto(text.encode(), address)
        except OSError:
            return False
    return True
