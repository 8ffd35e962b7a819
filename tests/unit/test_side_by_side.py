"""Taking turns: many tests at a time, or one that is alone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.support import side_by_side
from tests.support.side_by_side import CROWDED, LONG_UNIT_TESTS, MOST_PROCESSES, PORTS, is_crowded, ports_of, room, turn
from tests.support.waiting import eventually

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.one_python  # it is about the tests


Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("-n", "4")`: pytest with xdist and ours as its only plugins. To load the others takes longer than the tests."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    plugins = ("-p", "xdist", "-p", "tests.support.side_by_side", "-p", "no:cacheprovider")
    return lambda *arguments: pytester.runpytest_subprocess(*plugins, *arguments)


class Taking(threading.Thread):
    """Somebody who waits for a turn, and gives it back when told. `taken` gives another right to wait for."""

    def __init__(
        self, directory: Path, *, alone: bool = False, taken: Callable[[], AbstractContextManager[None]] | None = None
    ) -> None:
        super().__init__(daemon=True)
        self._taken = taken or (lambda: turn(directory, alone=alone))
        self.has_it = threading.Event()
        self.enough = threading.Event()
        self.start()

    def run(self) -> None:
        with self._taken():
            self.has_it.set()
            self.enough.wait(20)

    def end(self) -> None:
        self.enough.set()
        self.join(20)


def test_many_run_at_the_same_time(tmp_path: Path) -> None:
    takers = [Taking(tmp_path) for _ in range(3)]
    for taker in takers:
        assert taker.has_it.wait(20)
    for taker in takers:
        taker.end()


def test_one_that_is_alone_waits_for_those_who_run_and_keeps_others_away(tmp_path: Path) -> None:
    running = Taking(tmp_path)
    assert running.has_it.wait(20)
    alone = Taking(tmp_path, alone=True)
    eventually(lambda: _locks_waited_for() >= 1)
    later = Taking(tmp_path)
    eventually(lambda: _locks_waited_for() >= 2)
    assert not alone.has_it.is_set()
    running.end()
    assert alone.has_it.wait(20)
    assert not later.has_it.is_set()
    alone.end()
    assert later.has_it.wait(20)
    later.end()


def test_while_the_processor_is_crowded_one_test_begins_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "LOOK_S", 0.01)
    looks, crowd = Counter[str](), threading.Event()

    def taking(name: str) -> Taking:
        def crowded() -> bool:
            looks[name] += 1
            return crowd.is_set()

        return Taking(tmp_path, taken=lambda: room(tmp_path, crowded))

    begun_before = taking("before")
    assert begun_before.has_it.wait(20)
    crowd.set()
    first = taking("first")
    assert first.has_it.wait(20)
    second, third = taking("second"), taking("third")
    eventually(lambda: looks["second"] > 2 and looks["third"] > 2)
    assert not second.has_it.is_set()
    assert not third.has_it.is_set()
    first.end()
    eventually(lambda: second.has_it.is_set() != third.has_it.is_set())
    crowd.clear()
    for taker in (second, third):
        assert taker.has_it.wait(20)
    for taker in (begun_before, second, third):
        taker.end()


@pytest.mark.parametrize(("load", "crowded"), [(CROWDED - 1, False), (CROWDED + 1, True)])
def test_crowded_is_a_load_of_each_core(load: int, crowded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    monkeypatch.setattr(os, "getloadavg", lambda: (3.0 * load, 0.0, 0.0))
    assert is_crowded() == crowded


def _locks_waited_for() -> int:
    """Count those that wait for a flock of this process' files (proc_locks(5))."""
    return sum(str(os.getpid()) in line.split() for line in Path("/proc/locks").read_text().splitlines() if "->" in line)


def test_each_process_has_ports_of_its_own() -> None:
    shares = [ports_of(number) for number in range(MOST_PROCESSES)]
    assert sum(map(len, shares)) <= len(PORTS)
    assert len({port for share in shares for port in share}) == sum(map(len, shares))


def test_no_program_that_a_test_starts_takes_the_port_of_a_server_that_is_down_for_a_moment() -> None:
    ask = "from watcher.sandbox.process import PORTS; print(PORTS.start, PORTS.stop)"
    told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, timeout=60).stdout
    theirs = range(*map(int, told.split()))
    assert not any(port in theirs for number in range(MOST_PROCESSES) for port in ports_of(number))


def test_the_mark_holds_with_xdist(pytester: pytest.Pytester, run: Run) -> None:
    """Four processes, of whose tests one is alone: while it runs, no other has begun and not ended."""
    pytester.makepyfile(
        """
        import os, time
        from pathlib import Path
        import pytest

        HERE = Path(__file__).parent / "running"

        def run(alone):
            HERE.mkdir(exist_ok=True)
            mine = HERE / f"{os.getpid()}"
            mine.touch()
            seen = set()
            until = time.monotonic() + 0.3
            while time.monotonic() < until:
                seen |= {path.name for path in HERE.iterdir()}
            mine.unlink()
            assert not alone or seen == {mine.name}

        @pytest.mark.parametrize("number", range(8))
        def test_beside(number):
            run(False)

        @pytest.mark.alone
        @pytest.mark.parametrize("number", range(3))
        def test_alone(number):
            run(True)
        """
    )
    result = run("-n", "4")
    result.assert_outcomes(passed=11)


def test_unit_tests_come_late_and_files_with_tests_that_are_alone_come_last(pytester: pytest.Pytester, run: Run) -> None:
    marked = "\n".join(["import pytest", "@pytest.mark.alone", *(f"def test_{number}(): pass" for number in range(5))])
    pytester.makepyfile(
        **{
            "faults/test_a": marked + "\ndef test_beside(): pass",
            "faults/test_b": "def test_one(): pass",
            "faults/test_e": "def test_one(): pass\ndef test_two(): pass",
            "unit/test_c": "def test_one(): pass\ndef test_two(): pass",
            f"unit/test_{LONG_UNIT_TESTS[0]}": "def test_one(): pass",
            "worker/test_d": "def test_one(): pass",
        }
    )
    result = run("-n", "1", "--dist", "loadfile", "-v")
    result.assert_outcomes(passed=13)
    order = ("test_d", "test_e", "test_b", f"test_{LONG_UNIT_TESTS[0]}", "test_c", "test_a")
    result.stdout.fnmatch_lines([f"*PASSED*{name}*" for name in order])


def test_the_long_files_are_there() -> None:
    assert [name for name in LONG_UNIT_TESTS if not Path(__file__).with_name(f"test_{name}.py").exists()] == []


@pytest.mark.parametrize("directory", ["faults/hosts", "e2e/connect"])
def test_the_files_of_some_directories_go_to_one_process(pytester: pytest.Pytester, run: Run, directory: str) -> None:
    body = "import os, pathlib, time\n\ndef test_one():\n    time.sleep(0.2)\n    pathlib.Path(str(os.getpid())).touch()\n"
    names = ("a", "b", "c")
    pytester.makepyfile(**{f"{directory}/test_{name}": body for name in names})
    run("-n", "3", "--dist", "loadfile").assert_outcomes(passed=3)
    assert len([path for path in pytester.path.iterdir() if path.name.isdigit()]) == 1


def test_the_broker_is_told_to_the_process_that_reports(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makeconftest(
        """
        from tests.support.apache_kafka import BROKER_USED

        def pytest_terminal_summary(terminalreporter, config):
            terminalreporter.write_line(f"kafka: {config.stash.get(BROKER_USED, 'none')}")
        """
    )
    pytester.makepyfile(
        """
        from tests.support.apache_kafka import BROKER_USED

        def test_with_a_broker(pytestconfig):
            pytestconfig.stash[BROKER_USED] = "the small one"
        """
    )
    result = run("-n", "2")
    result.stdout.fnmatch_lines(["kafka: the small one"])
