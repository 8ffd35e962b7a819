"""Checks in order, with deadlines, and what follows from a failure."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from watcher.doctor.check import Check, Finding, Outcome, failed, not_checked, ok
from watcher.doctor.runner import Limits, run_checks
from watcher.errors import NotPermitted

PATIENT = Limits(check_seconds=30, area_seconds=60)


def run(*checks: Check[str], limits: Limits = PATIENT, before: dict[str, Finding] | None = None) -> dict[str, Finding]:
    return dict(run_checks(checks, "subject", limits, lambda _name, _finding: None, before))


def refused(_subject: str) -> Finding:
    raise NotPermitted("no entry", hint="ask for a key")


def broken(_subject: str) -> Finding:
    raise KeyError("hunter2")


@pytest.fixture
def hanging() -> Iterator[Check[str]]:
    """A check that comes back only after the test."""
    end = threading.Event()

    def hang(_subject: str) -> Finding:
        end.wait()
        return ok("too late")

    yield Check("a.hangs", hang)
    end.set()


def test_each_is_asked_about_the_subject_and_told_of_in_order() -> None:
    told: list[str] = []
    checks = [Check("a.one", lambda subject: ok(subject)), Check("a.two", lambda subject: ok(subject * 2))]
    found = run_checks(checks, "s", PATIENT, lambda name, finding: told.append(f"{name} {finding.text}"))
    assert told == ["a.one s", "a.two ss"]
    assert list(found) == ["a.one", "a.two"]


def test_our_errors_are_failures_with_their_hint() -> None:
    assert run(Check("a.door", refused)) == {"a.door": failed("no entry", "ask for a key")}


def test_a_bug_ends_one_check_and_does_not_say_what_was_in_it() -> None:
    found = run(Check("a.bug", broken), Check("a.next", lambda _: ok("fine")))
    assert found["a.bug"].outcome is Outcome.FAILED
    assert "KeyError" in found["a.bug"].text
    assert "hunter2" not in str(found)
    assert found["a.next"] == ok("fine")


def test_what_follows_from_a_failure_names_the_failure() -> None:
    first, second = Check("a.first", refused), Check("a.second", refused, needs=("a.first",))
    third = Check("a.third", refused, needs=("a.second",))
    found = run(first, second, third)
    assert found["a.second"] == found["a.third"] == not_checked("because a.first failed")


def test_other_areas_are_heard() -> None:
    check = Check("b.here", lambda _: ok("fine"), needs=("a.there",))
    assert run(check, before={"a.there": ok("")}) == {"b.here": ok("fine")}
    assert run(check, before={"a.there": failed("", "")}) == {"b.here": not_checked("because a.there failed")}


def test_a_check_that_hangs_is_left_behind(hanging: Check[str]) -> None:
    found = run(hanging, Check("a.next", lambda _: ok("fine")), limits=Limits(check_seconds=0.05, area_seconds=60))
    assert found["a.hangs"].outcome is Outcome.FAILED
    assert "no answer within" in found["a.hangs"].text
    assert found["a.next"] == ok("fine")


def test_an_area_has_a_deadline_too(hanging: Check[str]) -> None:
    found = run(hanging, Check("a.next", lambda _: ok("fine")), limits=Limits(check_seconds=60, area_seconds=0.05))
    assert found["a.hangs"].outcome is Outcome.FAILED
    assert found["a.next"].outcome is Outcome.NOT_CHECKED
    assert "--timeout" in found["a.next"].fix
