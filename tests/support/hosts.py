"""Hosts of one machine: each has a state directory of its own, with a supervisord and workers, and they share MongoDB and Kafka."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.support.load import Load
from tests.support.real_fleet import RealFleet
from tests.support.waiting import eventually
from watcher.fleet.polling import is_alive

NAME = "dashboard"
TAKEOVER_TIMEOUT_S = 25.0
"""Ten seconds are promised on an idle machine; the fault matrix shows what was measured."""

MORE = 20
"""Writes whose messages prove that changes come again."""


class Host:
    """A host that runs watchers with a lease: one called NAME, unless another is named."""

    def __init__(self, fleet: RealFleet) -> None:
        self.fleet = fleet

    def is_in(self, state: str, name: str = NAME) -> bool:
        """Return True if its worker says so, and is alive."""
        status = self.fleet.status(name)
        return bool(status.get("state") == state and is_alive(status["pid"]))

    def openings(self, name: str = NAME) -> list[float]:
        """Moments at which its workers have begun to stream, in seconds since 1970, the last one last."""
        lines = self.fleet.log(name).splitlines(keepends=True)
        records = [json.loads(line) for line in lines if '"event":"streaming"' in line and line.endswith("\n")]
        return [datetime.fromisoformat(record["ts"]).timestamp() for record in records]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes."""
        for pid in (self.fleet.supervisord_pid, *self.fleet.workers()):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """kill -9 for everything, so that nobody can see anybody else end: supervisord's end would tell the worker to stop."""
        self.signal(signal.SIGSTOP)
        self.signal(signal.SIGKILL)
        eventually(lambda: not self.fleet.fleet.supervisord.is_running() and not self.fleet.workers())

    def freeze(self) -> None:
        """Stop all of its processes where they are."""
        self.signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let them go on."""
        self.signal(signal.SIGCONT)

    def kill_worker(self) -> None:
        """kill -9 for the worker alone, which supervisord starts again."""
        for pid in self.fleet.workers():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """As `watcherctl stop`."""
        self.fleet.fleet.stop([NAME])

    def down(self) -> None:
        """As `watcherctl down`."""
        self.fleet.fleet.down()

    def start(self) -> None:
        """As after a reboot."""
        self.fleet.start()

    def stands_by(self) -> None:
        """Wait until it does."""
        self.fleet.reached(NAME, "standby")


@contextmanager
def two_hosts(directories: tuple[Path, Path], watchers: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[Host, Host]]:
    """The active host, and one that stands by; both have these watchers, with a lease."""
    leased = {name: {**settings, "high_availability": True} for name, settings in watchers.items()}
    with ExitStack() as stack:
        hosts = []
        for directory, state in zip(directories, ("streaming", "standby"), strict=True):
            hosts.append(Host(stack.enter_context(RealFleet(directory, leased))))
            for name in leased:
                hosts[-1].fleet.reached(name, state)
        yield hosts[0], hosts[1]


def seconds_to_takeover(host: Host, since: float, name: str = NAME) -> float:
    """Seconds from `since` (of 1970) until a worker of `host` streams, as its log has it; AssertionError at the deadline."""
    return eventually(lambda: [at for at in host.openings(name) if at > since], TAKEOVER_TIMEOUT_S, interval_s=0.1)[0] - since


def changes_come(hosts: Collection[Host], load: Load, timeout_s: float = TAKEOVER_TIMEOUT_S) -> None:
    """Wait until all that is written now is delivered, and MORE on top of it. There must be no messages but the load's."""
    wanted = load.oracle.certain_writes + MORE
    eventually(lambda: delivered(hosts) >= wanted, timeout_s)


def delivered(hosts: Collection[Host]) -> int:
    """The number of messages delivered, as far as the hosts know."""
    return max(int(host.fleet.status(NAME)["sequence"]) for host in hosts)


def takeovers(hosts: Sequence[Host]) -> int:
    """Count how often another host has begun to stream than the one before."""
    openings = sorted((at, number) for number, host in enumerate(hosts) for at in host.openings())
    return sum(before != after for (_, before), (_, after) in pairwise(openings))


def settled(hosts: Sequence[Host], timeout_s: float) -> tuple[Host, Host]:
    """Return the host that streams and the one that stands by, once both do."""

    def look() -> list[tuple[Host, Host]]:
        first, second = hosts
        pairs = ((first, second), (second, first))
        return [(active, standby) for active, standby in pairs if active.is_in("streaming") and standby.is_in("standby")]

    return eventually(look, timeout_s, interval_s=0.1)[0]
