"""The worker's log: lines of JSON that never hold the worker up."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.terminal import Terminal
from tests.support.waiting import eventually
from watcher import log as module
from watcher.log import dropped_records, iso, logging_to

TALKATIVE = """
import logging, sys
from watcher.log import logging_to, standard_output
with logging_to(standard_output(), "info"):
    for number in range(20_000):
        logging.info("line %d %s", number, "x" * 1000)
    print("done", file=sys.stderr, flush=True)
"""
"""Says more than a pipe and the queue hold."""

logger = logging.getLogger("watcher")


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


class Gate(io.StringIO):
    """Lets nothing through until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.opened = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        self.opened.wait(20)
        return super().write(text)


def test_a_line_is_json_with_time_level_event_and_whose_it_is() -> None:
    stream = io.StringIO()
    with logging_to(stream, "info", watcher="dashboard", database="d"):
        logger.info("the last %d starts", 3, extra={"sequence": 42, "hint": "wait"})
    [line] = lines(stream)
    assert list(line) == ["ts", "level", "event", "watcher", "database", "sequence", "hint"]
    assert (line["level"], line["event"], line["watcher"], line["sequence"]) == ("info", "the last 3 starts", "dashboard", 42)
    assert line["ts"].endswith("Z")


def test_lines_below_the_level_are_left_out() -> None:
    stream = io.StringIO()
    with logging_to(stream, "warning"):
        logger.info("not this")
        logger.warning("this")
    assert [line["event"] for line in lines(stream)] == ["this"]


@pytest.mark.parametrize(("level", "said"), [("info", []), ("debug", ["broker down", "connection closed"])])
def test_what_the_libraries_say_is_for_debugging(level: str, said: list[str]) -> None:
    stream = io.StringIO()
    with logging_to(stream, level):
        logging.getLogger("librdkafka").error("broker down")
        logging.getLogger("pymongo").error("connection closed")
    assert [line["event"] for line in lines(stream)] == said


def test_a_traceback_stays_on_its_line() -> None:
    stream = io.StringIO()
    with logging_to(stream, "info"):
        try:
            raise ValueError("no")
        except ValueError:
            logger.exception("this is a bug")
    [line] = lines(stream)
    assert line["traceback"].endswith("ValueError: no")


def test_what_json_does_not_know_is_written_as_text() -> None:
    stream = io.StringIO()
    with logging_to(stream, "info"):
        logger.info("odd", extra={"thing": {1}, "bytes": b"x"})
    assert lines(stream)[0]["thing"] == "{1}"


def test_on_a_terminal_people_get_text() -> None:
    stream = Terminal()
    with logging_to(stream, "info", watcher="dashboard"):
        logger.warning("MongoDB is away", extra={"hint": "wait"})
    assert re.fullmatch(r"\d\d:\d\d:\d\d \x1b\[33mwarning\x1b\[0m MongoDB is away  \x1b\[2mhint=\x1b\[0mwait\n", stream.getvalue())


def test_on_a_terminal_without_colours_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    with logging_to(stream, "info"):
        logger.warning("MongoDB is away", extra={"hint": "wait"})
    assert re.fullmatch(r"\d\d:\d\d:\d\d warning MongoDB is away  hint=wait\n", stream.getvalue())


@pytest.mark.parametrize(
    "odd", [pytest.param("run/\udcff.json", id="a path that is not UTF-8"), pytest.param(2**70, id="a large number")]
)
def test_what_orjson_refuses_is_a_line_all_the_same(odd: Any) -> None:
    stream = io.StringIO()
    with logging_to(stream, "info"):
        logger.info("odd", extra={"thing": odd})
    assert lines(stream)[0]["thing"] == odd


@pytest.mark.parametrize(("documents", "said"), [(False, ["Connection ready"]), (True, ["Connection ready", "Command succeeded"])])
def test_of_what_pymongo_says_documents_are_left_out_unless_asked_for(documents: bool, said: list[str]) -> None:
    stream = io.StringIO()
    with logging_to(stream, "debug", documents=documents):
        logging.getLogger("pymongo.connection").debug("Connection ready")
        logging.getLogger("pymongo.command").debug("Command succeeded")
    assert [line["event"] for line in lines(stream)] == said


def test_nobody_reads_the_pipe_and_the_worker_goes_on_and_ends_well() -> None:
    with subprocess.Popen([sys.executable, "-c", TALKATIVE], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        try:
            assert process.stderr.readline() == b"done\n"
            assert process.wait(module.DRAIN_SECONDS + 5) == 0
        finally:
            process.kill()
        assert process.stderr.read() == b""


def test_lines_that_were_dropped_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_RECORDS", 2)
    stream = Gate()
    with logging_to(stream, "info"):
        logger.info("held at the gate")
        stream.reached.wait(5)
        for number in range(10):
            logger.info("line %d", number)
        stream.opened.set()
        eventually(lambda: len(lines(stream)) == 3)
        logger.info("after")
        assert dropped_records() == 8
    assert [line["event"] for line in lines(stream)] == ["held at the gate", "line 0", "line 1", "after"]
    assert lines(stream)[-1]["dropped"] == 8
    assert dropped_records() == 0


def test_a_full_disk_is_no_reason_to_fail() -> None:
    full = Path("/dev/full").open("w")  # noqa: SIM115 - closing it fails too
    with logging_to(full, "info"):
        logger.info("lost")
        eventually(lambda: dropped_records() == 1)
    with pytest.raises(OSError, match="No space"):
        full.close()
    assert not any(thread.name == "log" for thread in threading.enumerate())


def test_time_is_written_in_utc_with_three_digits() -> None:
    assert iso(1_704_110_400.0) == "2024-01-01T12:00:00.000Z"
