"""pytest plugin: the seed of everything random, short and long forms, and the fault matrix as a table at the end of the run."""

from __future__ import annotations

import os
import platform
import secrets
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import psutil
import pytest

from tests.support.apache_kafka import BROKER_USED
from tests.support.fault_table import Counts, Row, fault_named_in, publish, row_number, table
from watcher.sandbox.binaries import find_mongod

SEED_VARIABLE = "WATCHER_TEST_SEED"
RSS_LIMIT_MB = 150
LONG_TIMEOUT_S = 12 * 3600
FAULTS = Path(__file__).parents[1] / "faults"
ROWS = pytest.StashKey[dict[int, Row]]()
SEED = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the fault matrix; `--seed` is for all tests."""
    group = parser.getgroup("faults", "fault matrix")
    group.addoption("--seed", type=int, help=f"seed of everything random (else ${SEED_VARIABLE}, else a new one each time)")
    group.addoption("--long", action="store_true", help="the long forms: a thousand kills instead of fifty, and so on")
    group.addoption("--minutes", type=float, default=30.0, help="with --long: how long row 33 lasts (default: 30)")
    group.addoption("--publish", type=Path, metavar="FILE", help="write the matrix into this document, between its markers")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed once; pytest-xdist's processes get it by the environment."""
    seed = config.getoption("--seed")
    if seed is None:
        seed = int(os.environ.get(SEED_VARIABLE) or secrets.randbelow(1_000_000))
    config.stash[SEED] = seed
    config.stash[ROWS] = {}
    os.environ[SEED_VARIABLE] = str(seed)
    config.pluginmanager.register(MatrixHooks(config), "fault-matrix-hooks")


def pytest_report_header(config: pytest.Config) -> str:
    """The seed, so that a run can be repeated."""
    return f"seed: {config.stash[SEED]}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long forms take longer than a test may."""
    if config.getoption("--long"):
        for item in items:
            if row_number(item.path.name):
                item.add_marker(pytest.mark.timeout(LONG_TIMEOUT_S), append=False)


class FaultReport(Counts):
    """Results that a test of the matrix tells of itself; `Counts` with the verbs to fill it."""

    def count(self, *, writes: int = 0, faults: int = 0, messages: int = 0) -> None:
        """Add to the counts."""
        self.writes += writes
        self.faults += faults
        self.messages += messages

    def recovered(self, seconds: float) -> None:
        """So long after a fault (or its end) it was streaming again."""
        self.recoveries_s.append(seconds)

    def measure(self, pid: int) -> None:
        """Remember a living worker's highest memory so far; AssertionError if it is over RSS_LIMIT_MB."""
        peak = peak_rss_mb(pid)
        self.peak_rss_mb = max(self.peak_rss_mb, peak)
        assert peak < RSS_LIMIT_MB, f"the worker took {peak:.0f} MB, and {RSS_LIMIT_MB} MB is the limit"

    def remark(self, text: str) -> None:
        """For the table's last column."""
        self.remarks.append(text)


def peak_rss_mb(pid: int) -> float:
    """The highest resident set size a process has had, by the kernel's own count (VmHWM); 0 once it has ended."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


@pytest.fixture
def fault_report(request: pytest.FixtureRequest) -> Iterator[FaultReport]:
    """Report in which a test of the matrix counts; the table adds up the tests of a row."""
    report = FaultReport()
    yield report
    request.node.user_properties.append(("counts", report.as_dict()))


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The run's seed, for whoever hands it on."""
    return pytestconfig.stash[SEED]


@pytest.fixture
def rng(seed: int, request: pytest.FixtureRequest) -> Random:
    """Random by the run's seed and the test's name: the same alone as among others."""
    return Random(f"{seed} {request.node.name}")


@pytest.fixture(scope="session")
def long_form(pytestconfig: pytest.Config) -> bool:
    """True in the long run."""
    return bool(pytestconfig.getoption("--long"))


class MatrixHooks:
    """Adds up the reports, and shows them. Works on reports alone: with pytest-xdist the tests run in other processes."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._rows: dict[int, Row] = config.stash[ROWS]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test's set-up, call or tear-down has ended."""
        module = Path(report.nodeid.partition("::")[0])
        number = row_number(module.name)
        if number is None:
            return
        row = self._rows.setdefault(number, Row(number, _fault_of(self._config.rootpath / module)))
        row.seconds += report.duration
        if report.when == "call" or not report.passed:
            row.outcomes.append(report.outcome)
        if report.when == "teardown":
            row.counts = sum((Counts(**value) for name, value in report.user_properties if name == "counts"), row.counts)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The matrix, if any of it was run; after a failure, how to repeat the run."""
        if self._rows:
            self._show_matrix(terminalreporter)
        if terminalreporter.stats.keys() & {"failed", "error"}:
            terminalreporter.write_line(f"to repeat what was random: --seed {self._config.stash[SEED]}")

    def _show_matrix(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("fault matrix")
        for line in [*(f"{name}: {value}" for name, value in self._facts().items()), *table(self._rows.values()).splitlines()]:
            terminalreporter.write_line(line)
        if document := self._config.getoption("--publish"):
            terminalreporter.write_line(self._publish(document))

    def _publish(self, document: Path) -> str:
        missing = {row_number(path.name) for path in FAULTS.rglob("test_*.py")} - self._rows.keys()
        if missing:
            return f"{document} is left as it was: rows {sorted(filter(None, missing))} were not run"
        publish(document, "long form" if self._config.getoption("--long") else "short form", self._facts(), self._rows.values())
        return f"written to {document}"

    def _facts(self) -> dict[str, str]:
        command = "make faults-long" if self._config.getoption("--long") else "make faults"
        return {
            "run": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, `{command}`, seed {self._config.stash[SEED]}",
            "machine": _machine(),
            "software": f"Python {platform.python_version()}, {_mongod()}, {self._config.stash.get(BROKER_USED, 'no Kafka')}",
        }


def _fault_of(module: Path) -> str:
    """Read, not imported: the tests may have run in another process."""
    import ast

    return fault_named_in(ast.get_docstring(ast.parse(module.read_text())) or module.stem)


def _machine() -> str:
    gigabytes = psutil.virtual_memory().total / 1024**3
    return f"{os.cpu_count()} cores, {gigabytes:.0f} GB, {platform.system()} {platform.release()} ({platform.machine()})"


def _mongod() -> str:
    done = subprocess.run([find_mongod(), "--version"], capture_output=True, text=True, timeout=20, check=True)
    return "mongod " + done.stdout.split()[2].removeprefix("v")
