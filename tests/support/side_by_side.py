"""pytest plugin: tests run side by side with pytest-xdist, and those that measure run alone.

Marked `alone` is what a second test beside it would disturb: a limit on memory or processor time, or on a time without waiting.

A process runs a whole file. Two directories are as one file: the tests in `hosts` have a cluster of three brokers and three
mongods, of which two cores carry one, and those in `connect` a Kafka Connect, which takes long to start.

The longest files come first, and the short ones of tests/unit fill the gaps at the end, so that all processes end at about the same
time. In a directory those with the most tests are mostly the longest. Files with tests that are `alone` come last: nobody has to
wait for them then. What each process did is told at the end, by run_report.py.

On a machine that is slow, or that others use too, four tests side by side can be too many: servers then answer so late that tests
run into their deadlines. So while the processor is crowded, one test begins after the other.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.support.apache_kafka import BROKER_USED
from watcher.sandbox import process

ALONE = "alone"
HOSTS = "hosts"
TOGETHER = (HOSTS, "connect")
"""Directories of which one process runs everything."""

LATER = ("faults", "unit")
"""Directories whose files come later, in this order. Some files of the others take minutes."""

LONG_UNIT_TESTS = ("snapshot_model", "large_json", "native_json_pythons", "side_by_side", "packaging", "sharing")
"""Files that are the first of tests/unit, without `test_`. Each takes 6 s of the processor or more: too long to fill a gap at the
end."""

CROWDED = 10
"""So many processes for each core, by the load average of the last minute, are too many. Beside four busy loops it is 8 to 11."""

LOOK_S = 0.5
"""Time between two looks at the load."""

PORTS = range(10_000, 19_000)
"""The ports of the tests' own servers. A program that a test starts, such as the demo, chooses from the sandbox's own: otherwise it
could take that of a server which is down for a moment."""

MOST_PROCESSES = 8
"""Among which these ports are divided."""


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark, choose the ports, and in one of pytest-xdist's processes begin to take turns."""
    config.addinivalue_line("markers", f"{ALONE}: no other test runs at the same time, for it measures")
    if worker := getattr(config, "workerinput", None):
        process.PORTS = ports_of(int(worker["workerid"].removeprefix("gw")))
        directory = Path(tempfile.gettempdir()) / f"watcher-tests-turns-{worker['testrunuid']}"
        directory.mkdir(exist_ok=True)
        config.pluginmanager.register(Turns(directory), "turns")
    else:
        process.PORTS = PORTS
        config.option.loadscopereorder = False  # else the files with the most tests would come first, which are the fastest
        config.pluginmanager.register(Controller(config), "side-by-side-controller")


def ports_of(number: int) -> range:
    """The ports of one process' servers: of two that looked at the same time, each could find the same one free."""
    share = len(PORTS) // MOST_PROCESSES
    start = PORTS.start + number % MOST_PROCESSES * share
    return range(start, start + share)


def is_alone(item: pytest.Item) -> bool:
    """Return True if no other test may run at the same time."""
    return item.get_closest_marker(ALONE) is not None


def turn_of(file: Path) -> tuple[int, bool]:
    """Return what files are put in order by."""
    directory = file.parent.name
    if directory == HOSTS:
        return -1, False  # nothing takes longer
    place = LATER.index(directory) + 1 if directory in LATER else 0
    return place, file.stem.removeprefix("test_") not in LONG_UNIT_TESTS


def files_of(nodeid: str) -> str:
    """Return the file of a test, or the directory if that is in TOGETHER."""
    file = Path(nodeid.partition("::")[0])
    return str(file.parent if file.parent.name in TOGETHER else file)


class FilesInTurn(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Scheduler that gives a process all tests of a file, or of a directory in TOGETHER."""

    def _split_scope(self, nodeid: str) -> str:
        return files_of(nodeid)


class Turns:
    """Lets a process run its next test, by locks on two files: flock(2) ends with the process, however that ends."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the files in order."""
        with_alone = {item.path for item in items if is_alone(item)}
        tests = Counter(item.path for item in items)
        items.sort(key=lambda item: (item.path in with_alone, turn_of(item.path), -tests[item.path]))

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # outside of pytest-timeout's clock
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """One test, with its fixtures."""
        with room(self._directory), turn(self._directory, alone=is_alone(item)):
            return (yield)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Tell the controller which broker it was."""
        session.config.workeroutput["broker"] = session.config.stash.get(BROKER_USED, "")  # type: ignore[attr-defined]


class Controller:
    """In the process that reports, which with pytest-xdist is another one than those that test."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Producer) -> FilesInTurn | None:
        """Make the scheduler of `--dist loadfile`; None leaves others to pytest-xdist."""
        return FilesInTurn(config, log) if config.getoption("dist") == "loadfile" else None

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """A process has ended; all have used the same kind of broker."""
        if broker := getattr(node, "workeroutput", {}).get("broker"):
            self._config.stash[BROKER_USED] = broker


def is_crowded() -> bool:
    """Return True if more is waiting for the processor than tests should be beside."""
    return os.getloadavg()[0] > CROWDED * (os.cpu_count() or 1)


@contextmanager
def room(directory: Path, crowded: Callable[[], bool] = is_crowded) -> Iterator[None]:
    """The right to begin a test: at once, or while the processor is `crowded` for one after the other."""
    with (directory / "crowd").open("w") as crowd:
        while crowded() and not _is_locked(crowd.fileno()):
            time.sleep(LOOK_S)
        yield


def _is_locked(file: int) -> bool:
    """Lock a file, if nobody else has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def turn(directory: Path, *, alone: bool) -> Iterator[None]:
    """The right to run a test, once nobody runs who is `alone`; `alone`, once nobody runs.

    Whoever is to be alone holds the gate while it waits, so that others that come later wait for it and not it for them.
    """
    with (directory / "gate").open("w") as gate, (directory / "running").open("w") as running:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(running, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        if not alone:
            fcntl.flock(gate, fcntl.LOCK_UN)
        yield
