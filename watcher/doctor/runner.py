"""Runs checks in order, each with a deadline: a server that swallows what it is sent must not hold up the rest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from watcher.doctor.check import Check, Finding, Outcome, S, failed, not_checked
from watcher.errors import WatcherError, command_hint

T = TypeVar("T")
Findings = Mapping[str, Finding]
Told = Callable[[str, Finding], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one check may take, and all checks of one area together."""

    check_seconds: float = 8.0
    area_seconds: float = 16.0


def run_checks(checks: Iterable[Check[S]], subject: S, limits: Limits, told: Told, before: Findings | None = None) -> Findings:
    """What the checks find, by name; `told` hears of each at once. `before` is what others have found that these may need."""
    deadline = time.monotonic() + limits.area_seconds
    found: dict[str, Finding] = {}
    for check in checks:
        seconds = min(limits.check_seconds, deadline - time.monotonic())
        found[check.name] = _blocked(check, {**(before or {}), **found}) or _look_within(check, subject, seconds)
        told(check.name, found[check.name])
    return found


def _blocked(check: Check[S], found: Findings) -> Finding | None:
    """Why there is no use in asking; the first failure is named, and not those that follow from it."""
    for need in check.needs:
        if found[need].outcome is Outcome.FAILED:
            return not_checked(f"because {need} failed")
        if found[need].outcome is Outcome.NOT_CHECKED:
            return not_checked(found[need].text)
    return None


def _look_within(check: Check[S], subject: S, seconds: float) -> Finding:
    """In a thread that is left behind if it does not come back: no driver's call can be broken off from outside."""
    if seconds <= 0:
        return not_checked("because the checks before it took all the time", "watcherctl doctor --timeout 30")
    try:
        return begun(lambda: _look(check, subject)).result(seconds)
    except TimeoutError:
        return failed(f"no answer within {seconds:.0f} s", "watcherctl doctor --timeout 30 waits longer")


def begun(call: Callable[[], T]) -> Future[T]:
    """What `call` will give, from a thread that keeps nobody from leaving; an executor's are waited for when the process ends."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - handed over to whoever waits for the result
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def _look(check: Check[S], subject: S) -> Finding:
    try:
        return check.look(subject)
    except WatcherError as error:
        return failed(str(error), command_hint(error))
    except Exception as error:  # noqa: BLE001 - the other checks go on; its text could hold anything, so it is not shown
        return failed(f"the check itself failed: {type(error).__name__}", "this is a bug; please report it")
