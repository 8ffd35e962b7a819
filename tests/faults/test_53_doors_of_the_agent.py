"""Row 53: strangers at the agent's door: silent connections, answers that nobody takes, large messages, hostile Host headers.

Goal: the agent keeps answering others within two seconds, in bounded memory; its log stays calm.
Method: the real agent as a process. Sockets that say nothing, and answers that are not read, more of them than a process may open
files; 120 requests for the last 200 messages of 1 MB each, from a real Kafka; requests written by hand.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from tests.support.agent_process import (
    DEADLINE_S,
    MESSAGE_BYTES,
    MESSAGES,
    TOKEN,
    agent_of,
    watcher_of,
    write_messages,
)
from tests.support.fault_matrix import FaultReport
from tests.support.waiting import eventually
from watcher.agent.http.connection import SILENT_SECONDS
from watcher.agent.page.details import MOST_READ_BYTES
from watcher.sandbox.kafka import Broker

pytestmark = pytest.mark.alone  # others are to be answered within seconds

STRANGERS = 1200
READERS = 120


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
