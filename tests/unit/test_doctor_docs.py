"""docs/doctor.md lists what the checks are."""

from __future__ import annotations

import json
import re
from pathlib import Path

from watcher.doctor.check import Outcome, ok
from watcher.doctor.examination import CONFIGURATION, HOST, KAFKA, MONGODB, POSITION, TITLES, WORKER, Examination, Section
from watcher.doctor.report import as_json

TEXT = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")
COMMON_ISSUES = ("MongoDB replica set required", "Topic auto-creation", "Connection issues", "Permission issues")


def section(heading: str) -> str:
    return TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_every_check_has_a_row_in_the_order_of_the_report() -> None:
    assert re.findall(r"^\| `([a-z.-]+)` \|", section("All checks"), re.MULTILINE) == list(TITLES)
    assert len(TITLES) >= 20


def test_a_check_needs_only_what_was_asked_before() -> None:
    """WORKER comes after HOST, and POSITION after MONGODB and KAFKA, which are asked side by side."""
    for checks, before in (
        (CONFIGURATION, ()),
        (HOST, ()),
        (WORKER, HOST),
        (MONGODB, ()),
        (KAFKA, ()),
        (POSITION, (*MONGODB, *KAFKA)),
    ):
        known = {check.name for check in before}
        for check in checks:
            assert set(check.needs) <= known, check.name
            known.add(check.name)


def test_the_common_issues_are_among_them() -> None:
    rows = dict(re.findall(r"^\| \[([^|]+)\]\(troubleshooting\.md#[a-z-]+\) \| (.*) \|$", section("Common issues"), re.MULTILINE))
    assert tuple(rows) == COMMON_ISSUES
    for checks in rows.values():
        assert set(re.findall(r"`([^`]+)`", checks)) <= TITLES.keys()


def test_json_is_as_documented() -> None:
    (example,) = (json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))
    real = as_json(Examination((Section("host", "", "", {"host.python": ok("")}),)))
    assert example.keys() == real.keys()
    assert example["counts"].keys() == real["counts"].keys() == {outcome.value for outcome in Outcome}
    assert example["checks"][0].keys() == real["checks"][0].keys()
    assert example["checks"][0]["check"] in TITLES
