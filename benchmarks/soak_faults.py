"""Faults during a soak: one after the other, chosen by the seed."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from benchmarks.soak_servers import KILLED, SoakServers
from tests.support.proxy import TcpProxy
from tests.support.waiting import eventually

PAUSE_S = (4.0, 16.0)
LONGEST_OUTAGE_S = 8.0
RECOVERY_TIMEOUT_S = 90.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One that was made: when, in seconds since the start, what, and how long until both workers delivered again."""

    at: float
    kind: str
    recovery_s: float


class Faults:
    """Hurts the servers and one of the workers."""

    def __init__(self, servers: SoakServers, messages: Mapping[str, int], rng: Random) -> None:
        """`messages` counts those that have come, by watcher."""
        self._servers = servers
        self._messages = messages
        self._rng = rng
        self._kinds: dict[str, Callable[[], None]] = {
            "worker killed": self._kill_worker,
            "worker paused": self._pause_worker,
            "Kafka restarted": servers.kafka.restart,
            "MongoDB restarted": self._restart_mongodb,
            "Kafka silent": lambda: self._silence(servers.kafka_proxy),
            "MongoDB silent": lambda: self._silence(servers.mongodb_proxy),
        }

    def make(self, started: float, deadline: float) -> list[Fault]:
        """One after the other until `deadline`; both by time.monotonic. Each kind comes once before any comes again.

        Errors: AssertionError when a worker does not recover, pytest's Failed when it has ended.
        """
        made: list[Fault] = []
        waiting: list[str] = []
        while (now := time.monotonic()) < deadline:
            time.sleep(min(self._rng.uniform(*PAUSE_S), deadline - now))
            waiting = waiting or self._rng.sample([*self._kinds], len(self._kinds))
            made.append(self._one(waiting.pop(), started))
            print(f"{made[-1].at:7.1f} s  {made[-1].kind}; delivering again after {made[-1].recovery_s:.1f} s", flush=True)
        return made

    def _one(self, kind: str, started: float) -> Fault:
        at = time.monotonic()
        self._kinds[kind]()
        over = time.monotonic()
        before = dict(self._messages)
        eventually(lambda: all(self._messages[name] > before[name] for name in self._servers.workers), RECOVERY_TIMEOUT_S)
        recovery_s = time.monotonic() - over
        self._servers.wait_until_streaming()
        return Fault(at - started, kind, recovery_s)

    def _kill_worker(self) -> None:
        worker = self._servers.workers[KILLED]
        worker.kill()
        worker.start()

    def _pause_worker(self) -> None:
        worker = self._servers.workers[KILLED]
        worker.signal(signal.SIGSTOP)
        self._endure()
        worker.signal(signal.SIGCONT)

    def _restart_mongodb(self) -> None:
        [node] = self._servers.mongodb.nodes
        node.restart()
        self._servers.mongodb.wait_for_primary()

    def _silence(self, proxy: TcpProxy) -> None:
        proxy.behave(swallow=True)
        self._endure()
        proxy.heal()

    def _endure(self) -> None:
        time.sleep(self._rng.uniform(1.0, LONGEST_OUTAGE_S))
