"""Messages to systemd, on a real socket: sd_notify(3)."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.still_clock import StillClock
from watcher.mongodb.client import Questions
from watcher.status.report import LastError, StatusReport
from watcher.worker import systemd as notify
from watcher.worker.systemd import Notifier

WATCHDOG_SECONDS = 10
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


class Systemd:
    """The other end of $NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.environment = {"NOTIFY_SOCKET": address.replace("\0", "@"), "WATCHDOG_USEC": str(WATCHDOG_SECONDS * 1_000_000)}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        """The lines of one datagram; none if none has come."""
        try:
            return self._socket.recv(4096).decode().split("\n")
        except BlockingIOError:
            return []

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    clock = StillClock()
    monkeypatch.setattr(notify.time, "monotonic", clock)
    return clock


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    address = str(tmp_path / "notify") if request.param == "path" else f"\0watcher-test-{os.getpid()}"
    listener = Systemd(address)
    yield listener
    listener.close()


def report(state: str = "streaming", **values: Any) -> StatusReport:
    return StatusReport(pid=7, started_at=NOON, state=state, **{"updated_at": NOON, **values})


LATER = NOON + timedelta(seconds=1)
AWAY = LastError(at=NOON, message="Kafka does not answer:\nlocalhost:9092")


def test_ready_is_said_when_it_streams_and_only_what_is_new(systemd: Systemd) -> None:
    notifier = Notifier(systemd.environment)
    heard = []
    for state in ("opening", "streaming", "streaming", "waiting", "streaming", "stopping", "stopped"):
        notifier.tell(report(state))
        heard.append(systemd.heard())
    assert heard == [
        ["STATUS=opening"],
        ["READY=1", "STATUS=streaming"],
        [],
        ["STATUS=waiting"],
        ["READY=1", "STATUS=streaming"],
        ["STOPPING=1", "STATUS=stopping"],
        ["STOPPING=1", "STATUS=stopped"],
    ]


def test_a_standby_is_ready_and_alive_though_it_commits_nothing(systemd: Systemd, clock: StillClock) -> None:
    notifier = Notifier(systemd.environment)
    notifier.tell(report("standby"))
    assert systemd.heard() == ["READY=1", "STATUS=standby"]
    clock.now += WATCHDOG_SECONDS
    notifier.tell(report("standby", updated_at=LATER))
    assert systemd.heard() == ["WATCHDOG=1"]
    notifier.tell(report("standby", updated_at=LATER, active_host="host-b"))
    assert systemd.heard() == ["READY=1", "STATUS=standby: active on host-b"]


def test_the_status_tells_in_one_line_what_it_waits_for(systemd: Systemd) -> None:
    notifier = Notifier(systemd.environment)
    notifier.tell(report("waiting", last_error=AWAY))
    assert systemd.heard() == ["STATUS=waiting: Kafka does not answer: localhost:9092"]
    notifier.tell(report("streaming", last_error=AWAY))
    assert systemd.heard() == ["READY=1", "STATUS=streaming"]


@pytest.mark.parametrize(
    ("sign", "counts"),
    [
        ({"last_poll_at": LATER}, True),
        ({"last_commit_at": LATER}, True),
        ({"state": "waiting"}, True),
        ({"reopens": 1}, True),
        ({}, False),
        ({"last_poll_at": LATER, "queue_messages": 3}, False),
        ({"last_commit_at": LATER, "queue_messages": 3}, True),
    ],
    ids=["an answer", "a commit", "another state", "another opening", "nothing", "an answer, but no commit of what came", "a part"],
)
def test_the_watchdog_is_fed_only_while_it_gets_on(sign: dict[str, Any], counts: bool, systemd: Systemd, clock: StillClock) -> None:
    notifier = Notifier(systemd.environment)
    clock.now += WATCHDOG_SECONDS
    notifier.tell(report())
    assert "WATCHDOG=1" in systemd.heard()
    clock.now += WATCHDOG_SECONDS
    notifier.tell(report(**sign))
    assert ("WATCHDOG=1" in systemd.heard()) is counts


def test_the_watchdog_is_fed_twice_as_often_as_it_wants(systemd: Systemd, clock: StillClock) -> None:
    notifier = Notifier(systemd.environment)
    fed = []
    for second in range(1, 3 * WATCHDOG_SECONDS + 1):
        clock.now += 1
        notifier.tell(report(last_poll_at=NOON + timedelta(seconds=second)))
        if "WATCHDOG=1" in systemd.heard():
            fed.append(second)
    assert fed == [5, 10, 15, 20, 25, 30]


@pytest.mark.parametrize("unwanted", [{"WATCHDOG_USEC": "0"}, {"WATCHDOG_PID": "1"}], ids=["no watchdog", "another process"])
def test_a_watchdog_that_is_not_for_us_is_not_fed(unwanted: dict[str, str], systemd: Systemd, clock: StillClock) -> None:
    notifier = Notifier(systemd.environment | unwanted)
    clock.now += WATCHDOG_SECONDS
    notifier.tell(report())
    assert systemd.heard() == ["READY=1", "STATUS=streaming"]


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "vsock:2:1"}, {"NOTIFY_SOCKET": "/nowhere/notify"}])
def test_without_a_socket_that_can_be_reached_nothing_happens(environment: dict[str, str]) -> None:
    Notifier(environment).tell(report())


def test_what_systemd_was_too_busy_to_hear_is_said_again(systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "SEND_SECONDS", 0.01)
    chatterer, notifier = Notifier(systemd.environment), Notifier(systemd.environment)
    queue = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())
    for number in range(queue + 2):
        chatterer.tell(report(f"state {number}"))
    notifier.tell(report())
    while heard := systemd.heard():
        assert heard != ["READY=1", "STATUS=streaming"]
    notifier.tell(report())
    assert systemd.heard() == ["READY=1", "STATUS=streaming"]


def test_a_search_of_mongodbs_is_a_sign_of_life_and_its_end_is_the_last_one(systemd: Systemd, clock: StillClock) -> None:
    questions = Questions(lambda: clock.now)
    notifier = Notifier(systemd.environment, questions.last_at)
    notifier.tell(report())
    systemd.heard()

    def heard() -> list[str]:
        clock.now += WATCHDOG_SECONDS / 2
        notifier.tell(report())
        return systemd.heard()

    with questions.asked():
        assert [heard() for _ in range(5)] == [["WATCHDOG=1"]] * 5
    assert [heard() for _ in range(3)] == [[], [], []]
