"""Findings of doctor, as text and as JSON."""

from __future__ import annotations

from watcher.doctor.check import Outcome, failed, not_checked, ok, warning
from watcher.doctor.examination import Examination, Section
from watcher.doctor.report import PLAIN_MARKS, as_json, lines

BLOCKED = not_checked("because mongodb.reachable failed")
FOUND = Examination(
    (
        Section("host", "", "/srv", {"host.python": ok("Python 3"), "host.clock": warning("off", "set it")}),
        Section(
            "mongodb",
            "dashboard",
            "mongodb://h/db",
            {
                "mongodb.reachable": failed("no answer\nfrom h", "start it\nor move it"),
                "mongodb.version": BLOCKED,
                "mongodb.majority": BLOCKED,
                "mongodb.images": not_checked("because the settings want none"),
            },
        ),
    )
)


def test_text() -> None:
    assert list(lines(FOUND)) == [
        "Host  /srv",
        "  ✓ python            Python 3",
        "  ! clock             off",
        "                      fix: set it",
        "",
        "dashboard: MongoDB  mongodb://h/db",
        "  ✗ reachable         no answer",
        "                      from h",
        "                      fix: start it",
        "                           or move it",
        "  – not checked, because mongodb.reachable failed: version, majority",  # noqa: RUF001
        "  – images            not checked, because the settings want none",  # noqa: RUF001
        "",
        "1 failed, 1 to look at, 1 good, 3 not checked",
    ]


def test_marks_for_other_encodings() -> None:
    "\n".join(lines(FOUND, PLAIN_MARKS)).encode("ascii")


def test_marks_and_counts_are_coloured() -> None:
    text = "\n".join(lines(FOUND, paint=lambda outcome, text: f"<{outcome}>{text}"))
    assert "<failed>✗ reachable" in text
    assert "<warning>1 to look at" in text


def test_json() -> None:
    document = as_json(FOUND)
    assert (document["version"], document["ok"]) == (1, False)
    assert document["counts"] == {"ok": 1, "warning": 1, "failed": 1, "notChecked": 3}
    assert document["checks"][0] == {
        "watcher": None,
        "check": "host.python",
        "outcome": "ok",
        "found": "Python 3",
        "fix": None,
    }
    assert document["checks"][2]["watcher"] == "dashboard"


def test_only_failures_are_failures() -> None:
    assert as_json(Examination(FOUND.sections[:1]))["ok"] is True
    assert FOUND.count(Outcome.FAILED) == 1
