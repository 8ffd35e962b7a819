"""Reports the findings as text and as JSON. docs/doctor.md is the contract of the JSON form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from watcher.doctor.check import Finding, Outcome
from watcher.doctor.examination import TITLES, Examination
from watcher.doctor.groups import grouped

VERSION = 1
"""Version of the JSON form. It goes up when a key is removed or changes its meaning; new keys may come without that."""

MARKS = {Outcome.OK: "✓", Outcome.WARNING: "!", Outcome.FAILED: "✗", Outcome.NOT_CHECKED: "–"}  # noqa: RUF001  # the dash is meant
PLAIN_MARKS = {Outcome.OK: "+", Outcome.WARNING: "!", Outcome.FAILED: "x", Outcome.NOT_CHECKED: "-"}
"""Marks for an output whose encoding lacks the others."""
AREAS = {
    "configuration": "Configuration",
    "host": "Host",
    "worker": "Worker",
    "mongodb": "MongoDB",
    "kafka": "Kafka",
    "registry": "Schema registry",
    "position": "Position",
}
COUNTED = {
    Outcome.FAILED: "failed",
    Outcome.WARNING: "to look at",
    Outcome.OK: "good",
    Outcome.NOT_CHECKED: "not checked",
}
PROBLEMS = {Outcome.FAILED, Outcome.WARNING}
INDENT = "  "

Paint = Callable[[Outcome, str], str]


def lines(
    examination: Examination,
    marks: Mapping[Outcome, str] = MARKS,
    paint: Paint = lambda _, text: text,
    *,
    problems_only: bool = False,
) -> Iterator[str]:
    """Yield a block for each area of the deployment, and of each server with all watchers that use it, and the counts below. A
    problem counts once for its line, however many watchers have it.

    `paint` colours the marks. With `problems_only` only that is shown which one has to do something about.
    """
    width = max(map(len, TITLES.values()))
    shown = Counter[Outcome]()
    for group in grouped(examination.sections):
        rows = [row for row in group.rows() if row.finding.outcome in PROBLEMS or not problems_only]
        shown.update(row.finding.outcome for row in rows)
        if not rows:
            continue
        yield f"{group.name}{AREAS[group.area]}  {group.place}"
        for row in rows:
            mark = f"{INDENT}{paint(row.finding.outcome, marks[row.finding.outcome])} "
            if len(row.titles) > 1:
                yield f"{mark}{row.whose}not checked, {row.finding.text}: {', '.join(row.titles)}"
            else:
                yield from _finding_lines(row.finding, f"{mark}{row.titles[0]:{width}}  {row.whose}", " " * (width + 6))
        yield ""
    counts = ((shown[outcome] if outcome in PROBLEMS else examination.count(outcome), outcome) for outcome in COUNTED)
    yield ", ".join(paint(outcome, f"{count} {COUNTED[outcome]}") for count, outcome in counts if count)


def _finding_lines(finding: Finding, first: str, others: str) -> Iterator[str]:
    text = f"not checked, {finding.text}" if finding.outcome is Outcome.NOT_CHECKED else finding.text
    head, *rest = text.splitlines() or [""]
    yield f"{first}{head}"
    yield from (f"{others}{line}" for line in rest)
    for label, line in zip(["fix: ", *["     "] * finding.fix.count("\n")], finding.fix.splitlines(), strict=False):
        yield f"{others}{label}{line}"


def as_json(examination: Examination) -> dict[str, Any]:
    """Return the whole document."""
    return {
        "version": VERSION,
        "ok": examination.count(Outcome.FAILED) == 0,
        "counts": {outcome.value: examination.count(outcome) for outcome in Outcome},
        "checks": [
            {
                "watcher": section.watcher or None,
                "check": name,
                "outcome": finding.outcome.value,
                "found": finding.text,
                "fix": finding.fix or None,
            }
            for section in examination.sections
            for name, finding in section.findings.items()
        ],
    }
