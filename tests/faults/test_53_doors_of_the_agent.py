"""Row 53: strangers at the agent's door: silent connections, answers that nobody takes, large messages, hostile Host headers.

Goal: the agent keeps answering others within two seconds, in bounded memory; its log stays calm; nothing leads around the token.
Method: the real agent as a process. Sockets that say nothing, a head that trickles in, and answers that are not read, more of
them than a process may open files; 120 requests for the last 200 messages of 1 MB each, from a real Kafka; requests written by
hand.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from confluent_kafka import Producer

from tests.support.fault_matrix import FaultReport, peak_rss_mb
from tests.support.waiting import eventually
from tests.support.worker import as_toml, environment
from watcher.agent.address import find
from watcher.agent.http.connection import SILENT_SECONDS
from watcher.agent.page.details import MOST_READ_BYTES
from watcher.sandbox.kafka import Broker

pytestmark = pytest.mark.alone  # others are to be answered within seconds

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-the-tests"
DEADLINE_S = 60.0
ANSWER_S = 2.0
"""Within this long whoever asks has an answer, whatever others do."""

FILES = 1024
"""Number of files that an ordinary process may open."""
STRANGERS = 1200
READERS = 120
MESSAGES = 200
MESSAGE_BYTES = 1_000_000

HOSTILE_HOSTS = ("x/static/", "127.0.0.1/static/", "x/healthz?", "x/static/#", "evil.example", "\\static/", "[::1]/static/", "")


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


@pytest.fixture
def many_files() -> Iterator[None]:
    """The strangers' own sockets are files of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * STRANGERS:
        assert not os.environ.get("CI"), f"{hard} files are too few"
        pytest.skip(f"this user may open {hard} files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * STRANGERS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_silent_connections_keep_nobody_out(tmp_path: Path, fault_report: FaultReport) -> None:
    with agent_of(tmp_path) as agent, contextlib.ExitStack() as strangers:
        silent = [strangers.enter_context(agent.connect()) for _ in range(STRANGERS)]
        agent.answers()
        for stranger in silent[-100:]:
            stranger.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        agent.answers()
        begun = time.monotonic()
        eventually(lambda: all(is_over(stranger) for stranger in silent), DEADLINE_S, interval_s=0.5)
        fault_report.remark(f"silent ones gone after {time.monotonic() - begun:.0f} s")
        assert time.monotonic() - begun < SILENT_SECONDS + 10
        agent.answers()
        fault_report.count(faults=STRANGERS)
        fault_report.measure(agent.process.pid)
        assert "Traceback" not in agent.log
        assert agent.log.count("\n") < 10, agent.log


def is_over(stranger: socket.socket) -> bool:
    """Return True if the other side has ended it."""
    stranger.setblocking(False)
    try:
        return stranger.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_a_head_that_trickles_in_is_not_waited_for(tmp_path: Path, fault_report: FaultReport) -> None:
    """Each byte by itself is progress; the head as a whole has SILENT_SECONDS. So has a body that nobody asked for."""
    starts = (
        b"GET /healthz HTTP/1.1\r\nX: ",
        b"POST /api/watchers/a/stop HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n",
    )
    with agent_of(tmp_path) as agent, contextlib.ExitStack() as strangers:
        trickling = [strangers.enter_context(agent.connect()) for _ in starts]
        for stranger, start in zip(trickling, starts, strict=True):
            stranger.sendall(start)
        begun = time.monotonic()
        eventually(lambda: all([trickled(each) for each in trickling]), DEADLINE_S, interval_s=0.2)  # noqa: C419  # a byte for each
        assert time.monotonic() - begun < SILENT_SECONDS + 10
        fault_report.count(faults=len(starts))


def trickled(stranger: socket.socket) -> bool:
    """One more byte; whether the other side has ended the connection."""
    try:
        stranger.sendall(b"x")
    except ConnectionError:
        return True
    return False


def test_what_is_no_request_is_refused_without_a_word(tmp_path: Path, rng: Random, fault_report: FaultReport) -> None:
    """Noise, a head of 8 MB, two hosts, a request to change to a websocket: nothing in the log, and no memory."""
    head = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    heads = [
        *(rng.randbytes(100) + b"\r\n\r\n" for _ in range(200)),
        b"GET /?" + b"x" * 8_000_000 + b" HTTP/1.1\r\n\r\n",
        head + b"X: " + b"x" * 8_000_000 + b"\r\n\r\n",
        head + b"Host: evil.example\r\n\r\n",
    ]
    upgrade = b"Connection: close, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n"
    with agent_of(tmp_path) as agent:
        for request in heads:
            with contextlib.suppress(ConnectionError):  # it may break off what it does not want to read
                assert agent.raw(request)[:12] == b"HTTP/1.1 400"
        assert agent.raw(head.replace(b"/healthz", b"/api/stream") + upgrade)[:12] == b"HTTP/1.1 401"
        agent.answers()
        fault_report.count(faults=len(heads) + 1)
        fault_report.measure(agent.process.pid)
        assert agent.log.count("\n") < 10, agent.log


@pytest.mark.usefixtures("many_files")
def test_who_does_not_read_the_answers_gives_way(tmp_path: Path, fault_report: FaultReport) -> None:
    """Many requests in a row on each connection, none of whose answers is taken: without the token, and for what is open."""
    requests = b"GET /static/vendor/uPlot.iife.min.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 200
    with agent_of(tmp_path) as agent, contextlib.ExitStack() as strangers:
        for _ in range(STRANGERS // 2):
            stranger = strangers.enter_context(agent.connect())
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            with contextlib.suppress(ConnectionError):
                stranger.sendall(requests)
        for _ in range(20):
            agent.answers()
        fault_report.count(faults=STRANGERS // 2)
        fault_report.measure(agent.process.pid)
        assert agent.log.count("\n") < 10, agent.log


def test_large_messages_hold_nobody_up(tmp_path: Path, kafka: Broker, prefix: str, rng: Random, fault_report: FaultReport) -> None:
    write_messages(kafka, f"{prefix}.changes", prefix, rng)
    with agent_of(tmp_path, watcher_of(kafka, prefix)) as agent:
        path = f"/api/watchers/a/messages?n={MESSAGES}"
        status, body = agent.get(path, token=TOKEN)
        answer = json.loads(body)
        numbers = [message["sequence"] for message in answer["messages"]]
        assert (status, answer["complete"]) == (200, False)
        assert numbers == [*range(MESSAGES, MESSAGES - len(numbers), -1)]
        assert 8 <= len(numbers) <= MOST_READ_BYTES // MESSAGE_BYTES
        assert len(body) < 1_000_000
        statuses = []
        with ThreadPoolExecutor(READERS) as readers:
            answers = [readers.submit(agent.get, path, token=TOKEN) for _ in range(READERS)]
            while not all(each.done() for each in answers):
                agent.answers()
            statuses = [each.result()[0] for each in answers]
        assert set(statuses) <= {200, 503}
        assert statuses.count(200) >= 1
        fault_report.count(faults=READERS, messages=MESSAGES)
        fault_report.remark(f"of {READERS} that asked for large messages at once, {statuses.count(200)} were answered")
        fault_report.measure(agent.process.pid)


def test_showing_large_messages_takes_their_own_size_and_little_more(
    tmp_path: Path, kafka: Broker, prefix: str, rng: Random, fault_report: FaultReport
) -> None:
    """`watcherctl tail` has to hold what it shows, to put it in order: the text, and not what it was parsed into besides."""
    write_messages(kafka, f"{prefix}.changes", prefix, rng)
    conf_dir = deployment(tmp_path, {}, watcher_of(kafka, prefix))
    command = [sys.executable, "-m", "watcher", "tail", "a", "--json", "-n", str(MESSAGES), "--config", str(conf_dir)]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(PYTHONPATH=str(ROOT)), stdout=subprocess.PIPE) as tail:
        assert tail.stdout
        numbers, peak_mb = [], 0.0
        for line in tail.stdout:  # not the resource usage at its end: that of a child begins with the size of its parent
            numbers.append(orjson.loads(line)["sequence"])
            peak_mb = max(peak_mb, peak_rss_mb(tail.pid))
    assert (tail.returncode, numbers) == (0, [*range(1, MESSAGES + 1)])
    fault_report.remark(f"tail of {MESSAGES} MB takes {peak_mb:.0f} MB")
    assert peak_mb < MESSAGES * MESSAGE_BYTES / 1e6 + 150


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


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_no_host_header_leads_around_the_token(host: str, tmp_path: Path, fault_report: FaultReport) -> None:
    requests = [
        (method, path, name)
        for name in HOSTILE_HOSTS
        for method, path in (
            ("POST", "/api/watchers/a/stop"),
            ("GET", "/api/status"),
            ("GET", "/static"),
            ("OPTIONS", "/api/status"),
        )
    ]
    with agent_of(tmp_path, host=host) as agent:
        for method, path, name in requests:
            answer = agent.raw(f"{method} {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            head, _, body = answer.partition(b"\r\n\r\n")
            assert int(head.split()[1]) in {400, 401, 403, 404}, (method, path, name, answer)
            assert b"location:" not in head.lower()
            assert b"evil.example" not in body
        fault_report.count(faults=len(requests))


def test_others_are_answered_while_streams_are_followed(tmp_path: Path, fault_report: FaultReport) -> None:
    """More than may follow: those that are too many are told so, and nobody else notices."""
    request = f"GET /api/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
    with agent_of(tmp_path) as agent, contextlib.ExitStack() as followers:
        statuses = []
        for _ in range(200):
            follower = followers.enter_context(agent.connect())
            follower.sendall(request)
            statuses.append(int(follower.recv(12).split()[1]))
        assert statuses.count(200) == 50
        assert set(statuses) == {200, 503}
        agent.answers()
        fault_report.count(faults=len(statuses))
