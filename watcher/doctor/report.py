"""Reports the findings as text and as JSON. docs/doctor.md is the contract of the JSON form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import Any

from watcher.doctor.check import Finding, Outcome
from watcher.doctor.examination import TITLES, Examination, Section
from watcher.doctor.runner import Findings

VERSION = 1
"""Version of the JSON form. It goes up when a key is removed or changes its meaning; new keys may come without that."""

MARKS = {Outcome.OK: "✓", Outcome.WARNING: "!", Outcome.FAILED: "✗", Outcome.NOT_CHECKED: "–"}  # noqa: RUF001  # the dash is meant
PLAIN_MARKS = {Outcome.OK: "+", Outcome.WARNING: "!", Outcome.FAILED: "x", Outcome.NOT_CHECKED: "-"}
"""Marks for an output whose encoding lacks the others."""
AREAS = {
    "configuration": "Configuration",
    "host": "Host",
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
INDENT = "  "

Paint = Callable[[Outcome, str], str]


def lines(examination: Examination, marks: Mapping[Outcome, str] = MARKS, paint: Paint = lambda _, text: text) -> Iterator[str]:
    """Yield a block for each area, and the counts below. `paint` colours the marks."""
    width = max(map(len, TITLES.values()))
    for section in examination.sections:
        yield _heading(section)
        for titles, finding in _rows(section.findings):
            mark = f"{INDENT}{paint(finding.outcome, marks[finding.outcome])} "
            if len(titles) > 1:
                yield f"{mark}not checked, {finding.text}: {', '.join(titles)}"
            else:
                yield from _finding_lines(finding, f"{mark}{titles[0]:{width}}  ", " " * (width + 6))
        yield ""
    counts = ((examination.count(outcome), outcome) for outcome in COUNTED)
    yield ", ".join(paint(outcome, f"{count} {COUNTED[outcome]}") for count, outcome in counts if count)


def _rows(findings: Findings) -> Iterator[tuple[list[str], Finding]]:
    """Yield the findings with their titles. Checks that were not made for the same reason share a row."""
    for finding, names in groupby(findings, key=findings.__getitem__):
        titles = [TITLES[name] for name in names]
        if finding.outcome is Outcome.NOT_CHECKED and not finding.fix:
            yield titles, finding
        else:
            yield from (([title], finding) for title in titles)


def _heading(section: Section) -> str:
    return f"{section.watcher}{': ' if section.watcher else ''}{AREAS[section.area]}  {section.place}"


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
