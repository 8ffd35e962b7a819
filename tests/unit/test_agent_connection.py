"""Connections that do not get on are closed, and the agent stays calm where no more can be accepted."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import time
from typing import Any

import pytest
import uvicorn

from watcher.agent import server as server_module
from watcher.agent.http import connection
from watcher.agent.http.connection import DEAF_SECONDS, MOST_CONNECTIONS, SILENT_SECONDS, HttpConnection, most_connections
from watcher.agent.lanes import Crowded, Lane
from watcher.agent.server import HttpServer, OutOfFiles


class Transport:
    """Of a client that has not taken `unsent` bytes."""

    unsent = 0
    aborted = False

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.aborted = True


class Cycle:
    response_complete = False


def accepted(connections: set[Any], *, asked: bool = False, since: float = 0.0) -> HttpConnection:
    made = HttpConnection.__new__(HttpConnection)
    made.connections, made.transport, made.cycle, made.idle_since = connections, Transport(), Cycle() if asked else None, since  # type: ignore[assignment]
    connections.add(made)
    return made


def is_ended(made: HttpConnection) -> bool:
    return made.transport.aborted and made not in made.connections  # type: ignore[attr-defined]


def test_who_asks_nothing_is_not_waited_for() -> None:
    silent = accepted(set())
    silent.look(SILENT_SECONDS)
    assert not is_ended(silent)
    silent.look(SILENT_SECONDS + 1)
    assert is_ended(silent)


def test_an_answer_may_take_as_long_as_it_wants() -> None:
    patient = accepted(set(), asked=True)
    for now in range(0, 1000, 20):
        patient.look(now)
    assert not is_ended(patient)


def test_an_answer_that_nobody_takes_is_given_up_and_one_that_is_taken_slowly_is_not() -> None:
    deaf, slow = accepted(set(), asked=True), accepted(set(), asked=True)
    for now in range(int(DEAF_SECONDS) + 3):
        deaf.transport.unsent = 1000 + now  # type: ignore[attr-defined]  # more is written, and nothing goes out
        slow.transport.unsent = 100_000 - now  # type: ignore[attr-defined]
        deaf.look(now)
        slow.look(now)
    assert (is_ended(deaf), is_ended(slow)) == (True, False)


def test_whoever_asks_nothing_gives_way_first_and_then_whoever_has_been_deaf_for_longest() -> None:
    connections: set[Any] = set()
    deaf = accepted(connections, asked=True, since=1)
    served = accepted(connections, asked=True, since=8)
    silent, new = accepted(connections, since=5), accepted(connections, since=9)
    assert sorted(connections, key=HttpConnection.urgency) == [silent, new, deaf, served]


@pytest.mark.parametrize(("files", "expected"), [(1024, MOST_CONNECTIONS), (256, 85), (resource.RLIM_INFINITY, MOST_CONNECTIONS)])
def test_fewer_connections_where_there_are_few_files(files: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection.resource, "getrlimit", lambda _: (files, files))
    assert most_connections() == expected


def test_too_many_open_files_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with asyncio.Runner() as runner:
        told = OutOfFiles()
        for _ in range(1000):
            told(
                runner.get_loop(),
                {"message": "socket.accept() out of system resource", "exception": OSError(errno.EMFILE, "Too many")},
            )
    assert [record.getMessage() for record in caplog.records] == ["no connection can be accepted: Too many"]
    assert "Traceback" not in caplog.text


def test_anything_else_is_told_as_asyncio_tells_it(caplog: pytest.LogCaptureFixture) -> None:
    with asyncio.Runner() as runner, caplog.at_level(logging.ERROR):
        OutOfFiles()(runner.get_loop(), {"message": "something else", "exception": ValueError("x")})
    assert "something else" in caplog.text


def test_no_more_may_wait_for_a_lane_than_it_holds() -> None:
    async def crowd() -> list[Any]:
        lane, may_end = Lane("test", threads=1, most_waiting=2), asyncio.Event()
        loop = asyncio.get_running_loop()

        def work() -> int:
            asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result(30)
            return 1

        working = [asyncio.create_task(lane.run(work)) for _ in range(3)]
        await asyncio.sleep(0)  # now they are in
        with pytest.raises(Crowded):
            await lane.run(work)
        may_end.set()
        return [*await asyncio.gather(*working), await lane.run(work)]

    assert asyncio.run(crowd()) == [1, 1, 1, 1]


def test_the_server_wakes_now_and_then_and_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> list[float]:
        server = HttpServer(uvicorn.Config(lambda: None))
        silent = accepted(server.server_state.connections, since=time.monotonic() - SILENT_SECONDS - 1)
        ticks: list[float] = []
        second = asyncio.Event()

        async def tick(_: int) -> bool:
            ticks.append(time.monotonic())
            if len(ticks) == 2:
                second.set()
            return server.should_exit

        monkeypatch.setattr(server, "on_tick", tick)
        monkeypatch.setattr(server_module, "TICK_SECONDS", 0.2)
        serving = asyncio.create_task(server.main_loop())
        await asyncio.wait_for(second.wait(), 30)
        assert is_ended(silent)
        monkeypatch.setattr(server_module, "TICK_SECONDS", 60)
        await asyncio.sleep(0)
        server.end()
        await asyncio.wait_for(serving, 30)
        return ticks

    first, second, *_ = asyncio.run(run())
    assert second - first >= 0.19
