"""Findings of doctor, as text and as JSON."""

from __future__ import annotations

from watcher.doctor.check import Finding, Outcome, failed, not_checked, ok, warning
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


def test_problems_only() -> None:
    assert list(lines(FOUND, problems_only=True)) == [
        "Host  /srv",
        "  ! clock             off",
        "                      fix: set it",
        "",
        "dashboard: MongoDB  mongodb://h/db",
        "  ✗ reachable         no answer",
        "                      from h",
        "                      fix: start it",
        "                           or move it",
        "",
        "1 failed, 1 to look at, 1 good, 3 not checked",
    ]
    good = Examination((Section("host", "", "/srv", {"host.python": ok("Python 3")}),))
    assert list(lines(good, problems_only=True)) == ["1 good"]


def of_server(watcher: str, server: str, reachable: Finding, version: Finding, majority: Finding, images: Finding) -> Section:
    findings = {"reachable": reachable, "version": version, "majority": majority, "images": images}
    return Section("mongodb", watcher, f"mongodb://{server}/{watcher}", {f"mongodb.{k}": v for k, v in findings.items()}, server)


def test_what_watchers_of_one_server_have_in_common_is_said_once() -> None:
    forbidden = failed("may not", "grant it")
    names = ["shop", "books", "a", "b", "c", "d", "e"]
    alike = [of_server(name, "h1", ok("it answers"), ok("8.0"), ok("yes"), ok(f"images of {name}")) for name in names]
    alike[0] = of_server("shop", "h1", ok("it answers"), ok("8.0"), forbidden, BLOCKED)
    other = of_server("other", "h2", failed("no answer", "start it"), BLOCKED, BLOCKED, ok("images of other"))
    other_too = of_server("more", "h2", failed("no answer", "start it too"), BLOCKED, BLOCKED, ok("images of more"))
    assert list(lines(Examination((*alike, other, other_too)))) == [
        "shop, books, a, b, c and 2 more: MongoDB  h1",
        "  ✓ reachable         it answers",
        "  ✓ version           8.0",
        "  ✗ majority          shop: may not",
        "                      fix: grant it",
        "  ✓ majority          books, a, b, c, d and 1 more: yes",
        "  ✓ images            good for 6 of 7 watchers",
        "  – images            shop: not checked, because mongodb.reachable failed",  # noqa: RUF001  # the dash is meant
        "",
        "other, more: MongoDB  h2",
        "  ✗ reachable         no answer",
        "                      fix: start it",
        "                           and likewise for the other 1",
        "  – not checked, because mongodb.reachable failed: version, majority",  # noqa: RUF001  # the dash is meant
        "  ✓ images            good for 2 of 2 watchers",
        "",
        "2 failed, 28 good, 5 not checked",
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
