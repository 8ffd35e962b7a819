"""Hosts of one machine: each has a state directory of its own, with a supervisord and workers, and they share MongoDB and Kafka."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.support.real_fleet import RealFleet
from tests.support.waiting import eventually

NAME = "dashboard"
TAKEOVER_TIMEOUT_S = 25.0
"""Ten seconds are promised on an idle machine; the fault matrix shows what was measured."""


class Host:
    """A host that runs one watcher with a lease."""

    def __init__(self, fleet: RealFleet) -> None:
        self.fleet = fleet

    def is_in(self, state: str) -> bool:
        """Return True if its worker says so, and writes its status."""
        status = self.fleet.status(NAME)
        return bool(status.get("state") == state and status["pid"] in self.fleet.workers())

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes."""
        for pid in (self.fleet.supervisord_pid, *self.fleet.workers()):
            os.kill(pid, number)

    def kill(self) -> None:
        """kill -9 for everything, so that nobody can see anybody else end: supervisord's end would tell the worker to stop."""
        self.signal(signal.SIGSTOP)
        self.signal(signal.SIGKILL)
        eventually(lambda: not self.fleet.fleet.supervisord.is_running() and not self.fleet.workers())

    def start(self) -> None:
        """As after a reboot."""
        self.fleet.start()
        self.fleet.reached(NAME, "standby")


@contextmanager
def two_hosts(directories: tuple[Path, Path], settings: Mapping[str, Any]) -> Iterator[tuple[Host, Host]]:
    """The active host, and one that stands by."""
    watchers = {NAME: {**settings, "high_availability": True}}
    with ExitStack() as stack:
        fleets = [stack.enter_context(RealFleet(directory, watchers)) for directory in directories[:1]]
        fleets[0].reached(NAME)
        fleets.append(stack.enter_context(RealFleet(directories[1], watchers)))
        fleets[1].reached(NAME, "standby")
        yield Host(fleets[0]), Host(fleets[1])


def seconds_to_takeover(host: Host, since: float) -> float:
    """Seconds from `since` (monotonic) until the worker of `host` streams; AssertionError at the deadline."""
    eventually(lambda: host.is_in("streaming"), TAKEOVER_TIMEOUT_S)
    return time.monotonic() - since
