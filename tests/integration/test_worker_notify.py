"""A real worker under a systemd that is a socket: it says when it streams, that it gets on, and that it stops."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.worker import Launch

pytest_plugins = ["tests.support.worker_fixtures"]

HEARD_WITHIN_S = 60.0


@pytest.fixture
def systemd(prefix: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket that workers find in their environment, with a watchdog of 2 s."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{prefix}")  # a name without a file: a path could be too long
        listener.settimeout(HEARD_WITHIN_S)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{prefix}")
        monkeypatch.setenv("WATCHDOG_USEC", "2000000")
        yield listener


def hear(systemd: socket.socket, wanted: str) -> list[str]:
    """All that is said up to the line `wanted`, and with it."""
    lines: list[str] = []
    while wanted not in lines:
        lines += systemd.recv(4096).decode().split("\n")
    return lines


def test_systemd_hears_when_it_is_ready_that_it_lives_and_that_it_stops(
    systemd: socket.socket, launch: Launch, settings: dict[str, Any]
) -> None:
    worker = launch(settings)
    assert hear(systemd, "READY=1")[0] == "STATUS=opening"
    hear(systemd, "WATCHDOG=1")
    assert worker.stop() == 0
    said = [line for line in hear(systemd, "STATUS=stopped") if line != "WATCHDOG=1"]  # which may be due just then
    assert said[-2:] == ["STOPPING=1", "STATUS=stopped"]
