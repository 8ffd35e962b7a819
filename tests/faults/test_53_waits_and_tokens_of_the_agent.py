"""Row 53: strangers at the agent's door: silent connections, answers that nobody takes, large messages, hostile Host headers.

Goal: who trickles is not waited for, nothing leads around the token, and large messages are shown in bounded memory.
Method: the real agent and `watcherctl tail` as processes; a head that comes byte by byte; requests written by hand. They have
seconds to spare on a busy machine, so these tests are not alone as those in test_53_doors_of_the_agent.py are.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import orjson
import pytest

from tests.support.agent_process import (
    DEADLINE_S,
    MESSAGE_BYTES,
    MESSAGES,
    ROOT,
    agent_of,
    deployment,
    watcher_of,
    write_messages,
)
from tests.support.fault_matrix import FaultReport, peak_rss_mb
from tests.support.waiting import eventually
from tests.support.worker import environment
from watcher.agent.http.connection import SILENT_SECONDS
from watcher.sandbox.kafka import Broker

HOSTILE_HOSTS = ("x/static/", "127.0.0.1/static/", "x/healthz?", "x/static/#", "evil.example", "\\static/", "[::1]/static/", "")


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
