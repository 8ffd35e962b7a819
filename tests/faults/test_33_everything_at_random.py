"""Row 33: all of it, at random.

Goal: nothing is lost, doubled or out of order, memory stays bounded, and no fault but a kill ends the worker.
Method: under a steady load a scheduler does one thing after the other to the worker, to mongod, to Apache Kafka or to the network
between, and waits a random time; every other time also until all that was written is delivered, which is the recovery shown. The
seed decides what, when and how long. 40 s in the short form, `--minutes` in the long one.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random

import pytest
from pymongo.errors import AutoReconnect, OperationFailure

from tests.support.apache_kafka import BROKER_USED, obtain
from tests.support.fault_matrix import FaultReport
from tests.support.load import Load
from tests.support.mongodb_faults import check_arrival
from tests.support.oracle import Oracle
from tests.support.proxy import TcpProxy
from tests.support.waiting import eventually
from tests.support.worker import OPERATIONS, Inbox, WorkerProcess, watcher_settings
from watcher.sandbox.kafka import ApacheKafka
from watcher.sandbox.mongod import ReplicaSet
from watcher.sandbox.process import Server, free_port

SHORT_S = 40.0
DATABASE = "chaos"
RECOVERY_TIMEOUT_S = 120.0
WAITS_FOR_RECOVERY = 0.5
"""The share of faults after which it may stream again before the next one comes."""


class Scene:
    """A worker whose way to MongoDB and to Kafka leads through proxies, and all that can be done to it."""

    def __init__(self, directory: Path, stack: ExitStack, rng: Random) -> None:
        self._rng = rng
        self.mongo = stack.enter_context(ReplicaSet(directory / "mongo"))
        self.kafka = stack.enter_context(ApacheKafka(directory / "kafka", home=obtain(), proxy_port=free_port()))
        self.mongo_proxy = stack.enter_context(TcpProxy(self.mongo.nodes[0].port))
        self.kafka_proxy = stack.enter_context(TcpProxy(self.kafka.behind_proxy_port, port=self.kafka.proxy_port))
        uri = f"mongodb://{self.mongo_proxy.address}/{DATABASE}?directConnection=true"
        settings = watcher_settings(uri, self.kafka_proxy.address, DATABASE)
        self.worker = stack.enter_context(WorkerProcess(directory / "fleet", settings))
        self.faults: dict[str, Callable[[], None]] = {
            "kill the worker": self.kill_worker,
            "freeze the worker": self.freeze_worker,
            "kill mongod": lambda: self.kill_server(self.mongo.nodes[0]),
            "freeze mongod": lambda: self.freeze_server(self.mongo.nodes[0]),
            "step the primary down": self.step_down,
            "restart Kafka": self.kafka.restart,
            "kill Kafka": lambda: self.kill_server(self.kafka),
            "freeze Kafka": lambda: self.freeze_server(self.kafka),
            "cut MongoDB's connections": self.mongo_proxy.cut,
            "cut Kafka's connections": self.kafka_proxy.cut,
            "silence MongoDB": lambda: self.silence(self.mongo_proxy),
            "silence Kafka": lambda: self.silence(self.kafka_proxy),
            "cut Kafka's connections in mid-stream": lambda: self.kafka_proxy.behave(reset_after_bytes=rng.randrange(50_000)),
        }

    def kill_worker(self) -> None:
        """And start the next one, as supervisord does."""
        self.worker.kill()
        self.worker.start()

    def freeze_worker(self) -> None:
        """For a moment."""
        self.worker.signal(signal.SIGSTOP)
        self.wait(3)
        self.worker.signal(signal.SIGCONT)

    def kill_server(self, server: Server) -> None:
        """And start it again on its data."""
        server.kill()
        self.wait(2)
        server.start()
        self.mongo.wait_for_primary()

    def freeze_server(self, server: Server) -> None:
        """For a moment."""
        server.pause()
        self.wait(5)
        server.resume()

    def step_down(self) -> None:
        """For a second; then the only node elects itself again."""
        with self.mongo.nodes[0].client() as client, suppress(AutoReconnect, OperationFailure):
            client.admin.command("replSetStepDown", 1, force=True)
        self.mongo.wait_for_primary()

    def silence(self, proxy: TcpProxy) -> None:
        """Swallow all traffic for a moment."""
        proxy.behave(swallow=True)
        self.wait(5)
        proxy.heal()

    def wait(self, longest_s: float) -> None:
        """A random time."""
        time.sleep(self._rng.uniform(0, longest_s))

    def inflict(self, number: int) -> str:
        """The next fault and its name; a round of all of them in random order comes before any of them comes again."""
        if number % len(self.faults) == 0:
            self._order = self._rng.sample([*self.faults], len(self.faults))
        fault = self._order[number % len(self.faults)]
        self.faults[fault]()
        return fault

    def recover(self, oracle: Oracle, timeout_s: float = RECOVERY_TIMEOUT_S) -> float:
        """Wait until all that was written so far is delivered; seconds, give or take the two between two status files."""
        began, written = time.monotonic(), oracle.certain_writes
        self.kafka_proxy.heal()
        eventually(lambda: self.worker.reached(timeout_s=timeout_s)["sequence"] >= written, timeout_s)
        return time.monotonic() - began


@pytest.fixture
def scene(server_directory: Path, rng: Random, pytestconfig: pytest.Config) -> Iterator[Scene]:
    """Servers of this test's own."""
    with ExitStack() as stack:
        scene = Scene(server_directory / "chaos", stack, rng)
        pytestconfig.stash.setdefault(BROKER_USED, scene.kafka.description)
        yield scene


@pytest.mark.timeout(300)
def test_everything_at_random(
    scene: Scene, rng: Random, fault_report: FaultReport, long_form: bool, pytestconfig: pytest.Config
) -> None:
    seconds = pytestconfig.getoption("--minutes") * 60 if long_form else SHORT_S
    inbox = Inbox(scene.kafka.bootstrap, [f"{DATABASE}.{operation}" for operation in OPERATIONS])
    scene.worker.reached()
    with scene.mongo.client(timeoutMS=5000) as client:
        oracle = Oracle(client[DATABASE])
        with Load(oracle, seed=rng.randrange(2**32), pause_s=0.005) as load:
            hurt(scene, oracle, rng, fault_report, seconds)
        scene.recover(oracle)
        check_arrival(oracle, inbox)  # its number may be that of a write of unknown fate, before one that is certain
        fault_report.measure(scene.worker.pid)
        assert scene.worker.stop() == 0
        records = inbox.records(oracle.certain_writes)
        oracle.check(records)
        fault_report.count(writes=oracle.certain_writes, messages=len(records))
        fault_report.remark(f"{load.failures} writes of unknown fate")


def hurt(scene: Scene, oracle: Oracle, rng: Random, fault_report: FaultReport, seconds: float) -> None:
    """One fault after the other; what was done, and when, is printed."""
    began = time.monotonic()
    number = 0
    while (elapsed := time.monotonic() - began) < seconds:
        print(f"{elapsed:7.1f} s: {scene.inflict(number)}")
        if rng.random() < WAITS_FOR_RECOVERY:
            fault_report.recovered(scene.recover(oracle))
            fault_report.measure(scene.worker.pid)
        fault_report.count(faults=1)
        scene.wait(1.5)
        number += 1
