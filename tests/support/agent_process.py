"""The real agent as a process, for a deployment with one watcher that does not run, and large messages for it to show."""

from __future__ import annotations

import contextlib
import http.client
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import orjson
from confluent_kafka import Producer

from tests.support.waiting import eventually
from tests.support.worker import as_toml, environment
from watcher.agent.address import find
from watcher.sandbox.kafka import Broker

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-the-tests"
DEADLINE_S = 60.0
ANSWER_S = 2.0
"""Within this long whoever asks has an answer, whatever others do."""

FILES = 1024
"""Number of files that an ordinary process may open."""
MESSAGES = 200
MESSAGE_BYTES = 1_000_000


def deployment(base: Path, agent: dict[str, Any], watcher: dict[str, Any]) -> Path:
    """Its conf.d, with one watcher, `a`."""
    conf_dir = base / "conf.d"
    conf_dir.mkdir()
    (conf_dir / "agent.toml").write_text(as_toml(agent))
    (conf_dir / "a.toml").write_text(as_toml(watcher))
    return conf_dir


class Agent:
    """The agent of a deployment with one watcher, `a`, which does not run."""

    def __init__(self, base: Path, agent: dict[str, Any], watcher: dict[str, Any]) -> None:
        conf_dir = deployment(base, {"port": 0, **agent}, watcher)
        self._log_path = base / "agent.log"
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "watcher", "agent", "--config", str(conf_dir)],
                cwd=base,
                env=environment(PYTHONPATH=str(ROOT)),
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES)),
            )
        self.port = int(eventually(lambda: find(base / "run" / "agent.json") or "", DEADLINE_S).rstrip("/").rpartition(":")[2])

    @property
    def log(self) -> str:
        return self._log_path.read_text()

    def get(self, path: str, *, token: str = "", timeout_s: float = DEADLINE_S) -> tuple[int, bytes]:
        """Status and body of one answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def answers(self) -> None:
        """To probes, and to who has the token; within ANSWER_S."""
        for path, statuses in {"/healthz": {200, 503}, "/api/status": {200}, "/metrics": {200}}.items():
            begun = time.monotonic()
            assert self.get(path, token=TOKEN)[0] in statuses
            assert time.monotonic() - begun < ANSWER_S, path

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S)

    def raw(self, request: bytes) -> bytes:
        """All that comes back for these bytes, until the agent ends the connection."""
        with self.connect() as asking:
            asking.sendall(request)
            return b"".join(iter(lambda: asking.recv(65536), b""))

    def end(self) -> None:
        self.process.terminate()
        assert self.process.wait(DEADLINE_S) == 0, self.log


@contextlib.contextmanager
def agent_of(base: Path, watcher: dict[str, Any] | None = None, **agent: Any) -> Iterator[Agent]:
    nowhere = {"mongodb_uri": "mongodb://localhost:1/x", "kafka_brokers": "localhost:1", "kafka_client_id": "a"}
    made = Agent(base, {"token": TOKEN, **agent}, watcher or nowhere)
    try:
        yield made
        made.end()
    finally:
        made.process.kill()
        made.process.wait()


def watcher_of(kafka: Broker, client_id: str) -> dict[str, Any]:
    """The settings of a watcher whose messages are in one topic."""
    return {
        "mongodb_uri": "mongodb://localhost:1/x",
        "kafka_brokers": kafka.bootstrap,
        "kafka_client_id": client_id,
        "kafka_db_changes_topic": f"{client_id}.changes",
    }


def write_messages(kafka: Broker, topic: str, watcher: str, rng: Random) -> None:
    """As the watcher would have; random text, which Kafka cannot make small."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "message.max.bytes": 2 * MESSAGE_BYTES, "linger.ms": 0})
    for number in range(1, MESSAGES + 1):
        document = {"_id": number, "text": rng.randbytes((MESSAGE_BYTES - 500) // 2).hex()}
        message = {"operationType": "insert", "fullDocument": document, "watcher": watcher, "sequence": number}
        producer.produce(topic, orjson.dumps(message))
        producer.poll(0)
        if number % 20 == 0:
            producer.flush(DEADLINE_S)
    assert producer.flush(DEADLINE_S) == 0
