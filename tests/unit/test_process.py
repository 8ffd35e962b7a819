"""Services of the operating system that a worker needs: signals, its parent's death, a lock."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.waiting import eventually
from watcher.errors import NotOwner
from watcher.worker import process as module
from watcher.worker.process import Nudge, beside_worker, nudge, only_one

HEAD = """
import os, signal, sys, threading, time
from watcher.worker import process
stopping = threading.Event()
"""
ENDS_BY_ITSELF = """
with process.stop_requested(stopping):
    print("ready", flush=True)
    stopping.wait(20)
    print("drained", flush=True)
"""
HANGS = """
with process.stop_requested(stopping):
    print("ready", flush=True)
    stopping.wait(20)
    print("draining", flush=True)
    time.sleep(20)
"""
DRAINS_SLOWLY = """
with process.stop_requested(stopping):
    print("ready", flush=True)
    stopping.wait(20)
    time.sleep(0.4)
    print("drained", flush=True)
"""
IS_NUDGED = """
given = process.Nudge()
with process.stop_requested(stopping, given.give):
    print("ready", flush=True)
    while not stopping.wait(0.01):
        if given.take():
            print("nudged", flush=True)
    print("drained", flush=True)
"""
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], env={"SUPERVISOR_ENABLED": "1"})
time.sleep(60)
"""
CHILD = f"""{HEAD}
process.die_with_parent()
with process.stop_requested(stopping):
    print(os.getpid(), flush=True)
    stopping.wait(30)
"""


@contextmanager
def python(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_the_worker_to_stop(number: signal.Signals) -> None:
    with python(HEAD + ENDS_BY_ITSELF) as process:
        assert line(process) == "ready"
        process.send_signal(number)
        assert line(process) == "drained"
        assert process.wait(10) == 0


def test_a_signal_that_arrived_ignored_is_heard_all_the_same() -> None:
    """Under `nohup … &` SIGINT is ignored from the start; whoever sends it all the same means it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited by the child
    try:
        with python(HEAD + ENDS_BY_ITSELF) as process:
            assert line(process) == "ready"
            process.send_signal(signal.SIGINT)
            assert line(process) == "drained"
            assert process.wait(10) == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_second_signal_ends_it_at_once() -> None:
    with python(f"{HEAD}process.SAME_STOP_SECONDS = 0.1\n{HANGS}") as process:
        assert line(process) == "ready"
        process.send_signal(signal.SIGTERM)
        assert line(process) == "draining"
        eventually(lambda: process.send_signal(signal.SIGTERM) or process.poll() is not None, 10, interval_s=0.2)
        assert process.returncode == 0


def test_signals_close_together_are_one_wish() -> None:
    with python(HEAD + DRAINS_SLOWLY) as process:
        assert line(process) == "ready"
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        assert line(process) == "drained"
        assert process.wait(10) == 0


def test_one_that_does_not_drain_is_ended() -> None:
    with python(f"{HEAD}process.SAME_STOP_SECONDS = 0.1\nprocess.DRAIN_SECONDS = 0.3\n{HANGS}") as process:
        assert line(process) == "ready"
        process.send_signal(signal.SIGTERM)
        assert line(process) == "draining"
        assert process.wait(10) == 0


def test_a_nudge_is_heard_each_time_and_ends_nothing() -> None:
    with python(HEAD + IS_NUDGED) as process:
        assert line(process) == "ready"
        for _ in range(2):
            nudge(str(process.pid))
            assert line(process) == "nudged"
        process.send_signal(signal.SIGTERM)
        assert line(process) == "drained"
        assert process.wait(10) == 0


def test_a_nudge_does_no_harm_to_a_stranger() -> None:
    with python("import signal; print('ready', flush=True); signal.pause()") as process:
        assert line(process) == "ready"
        nudge(str(process.pid))
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM
    nudge(str(process.pid))  # it has ended
    nudge("unknown")


def test_a_nudge_is_taken_once() -> None:
    given = Nudge()
    assert not given.take()
    given.give()
    assert (given.take(), given.take()) == (True, False)


def test_a_supervised_worker_is_told_to_stop_when_its_parent_is_killed() -> None:
    with python(PARENT, CHILD) as parent:
        child = int(line(parent))
        parent.kill()
        parent.wait()
        eventually(lambda: not Path(f"/proc/{child}").exists())


def test_the_lock_names_its_holder_and_is_free_again_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "dashboard.lock"
    for _ in range(2):
        with only_one(path, threading.Event()) as alone:
            assert alone
            assert path.read_text() == f"{os.getpid()}\n"


def test_a_second_worker_is_told_who_the_first_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.3)
    path = tmp_path / "dashboard.lock"
    with held(path, "4711"), pytest.raises(NotOwner, match="process 4711") as caught, only_one(path, threading.Event()):
        pytest.fail("it got in")
    assert caught.value.hint


def test_with_a_lease_a_second_worker_waits_for_the_end_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On a host whose first worker hangs, supervisord would leave the second one down for good."""
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.1)
    path = tmp_path / "dashboard.lock"
    entered: list[bool] = []

    def enter() -> None:
        with only_one(path, threading.Event(), patient=True) as alone:
            entered.append(alone)

    with held(path, "4711"):
        second = threading.Thread(target=enter)
        second.start()
        eventually(lambda: "process 4711. This one waits for its end." in caplog.text)
        assert not entered
    second.join(20)
    assert entered == [True]
    assert caplog.text.count("This one waits") == 1


def test_told_to_stop_while_it_waits_it_does_not_get_in(tmp_path: Path) -> None:
    path, stopping = tmp_path / "dashboard.lock", threading.Event()
    stopping.set()
    with held(path, "4711"):
        with only_one(path, stopping) as alone:
            assert not alone
        assert path.read_text() == "4711"


def test_a_command_is_told_which_worker_runs_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "dashboard.lock"
    with held(path, "4711"), beside_worker(path) as worker:
        assert worker == "4711"
    with beside_worker(path) as worker:
        assert worker == ""
        with beside_worker(path) as other:
            assert other == str(os.getpid())


def test_it_waits_for_one_that_is_still_draining(tmp_path: Path) -> None:
    path = tmp_path / "dashboard.lock"
    entered = threading.Event()

    def enter() -> None:
        with only_one(path, threading.Event()):
            entered.set()

    with held(path, "4711"):
        second = threading.Thread(target=enter)
        second.start()
        assert not entered.wait(0.3)
    assert entered.wait(20)
    second.join()


def test_without_a_place_for_the_lock_the_stream_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with only_one(tmp_path / "missing" / "dashboard.lock", threading.Event()) as alone:
        assert alone
    assert "no lock file" in caplog.text


@contextmanager
def held(path: Path, text: str) -> Iterator[None]:
    """The lock in somebody else's hands."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(text)
        lock.flush()
        yield
