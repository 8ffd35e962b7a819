"""The plugin of the fault matrix, in a pytest inside pytest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.fault_matrix import SEED_VARIABLE, peak_rss_mb

pytest_plugins = ["pytester"]

ROW = '''
"""Row 1: an example.

Goal: …
Method: …
"""

def test_counts(fault_report, rng, seed):
    fault_report.count(writes=1000 + seed, faults=rng.randrange(10**9), messages=3)
    fault_report.remark("well")

def test_too(fault_report):
    fault_report.count(writes=1)
    assert {passes}
'''


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> object:
    """Runs the example; gives what pytest printed."""
    monkeypatch.setenv(SEED_VARIABLE, "7")

    def run(*options: str, passes: bool = True) -> pytest.RunResult:
        pytester.makepyfile(test_01_example=ROW.format(passes=passes))
        return pytester.runpytest("-p", "tests.support.fault_matrix", "-p", "no:hypothesispytest", *options)

    return run


def row(result: pytest.RunResult) -> list[str]:
    """The cells of the example's row."""
    (line,) = (line for line in result.outlines if line.startswith("| 1 "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_tests_of_a_row_are_added_up(run) -> None:
    assert row(run("--seed", "5"))[:4] == ["1", "an example", "passed", "1,006"]


def test_a_failure_fails_the_row_and_tells_how_to_repeat_it(run) -> None:
    result = run("--seed", "5", passes=False)
    assert row(result)[2] == "failed"
    result.stdout.fnmatch_lines(["to repeat what was random: --seed 5"])


def test_the_seed_decides_what_is_random(run) -> None:
    first, again, other = (row(run("--seed", seed))[4] for seed in ("5", "5", "6"))
    assert first == again != other


def test_the_seed_comes_from_the_environment_too(run) -> None:
    run().stdout.fnmatch_lines(["seed: 7"])


def test_a_part_of_the_matrix_is_not_published(run, tmp_path: Path) -> None:
    document = tmp_path / "doc.md"
    document.write_text("<!-- short form: made by the tests -->\n<!-- end of short form -->\n")
    before = document.read_text()
    run("--publish", str(document)).stdout.fnmatch_lines([f"{document} is left as it was: rows * were not run"])
    assert document.read_text() == before


def test_peak_memory_is_that_of_a_python_process() -> None:
    assert 5 < peak_rss_mb(os.getpid()) < 5000
