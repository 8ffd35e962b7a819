"""Runs checks in order, each with a deadline. A server that accepts requests and never answers must not hold up the rest."""

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
    """Time limits for one check, and for all checks of one area together."""

    check_seconds: float = 8.0
    area_seconds: float = 16.0


def run_checks(checks: Iterable[Check[S]], subject: S, limits: Limits, told: Told, before: Findings | None = None) -> Findings:
    """Run the checks and return their findings by name. `told` is called with each finding at once. `before` holds earlier findings
    of other checks that these may need.
    """
    deadline = time.monotonic() + limits.area_seconds
    found: dict[str, Finding] = {}
    for check in checks:
        seconds = min(limits.check_seconds, deadline - time.monotonic())
        found[check.name] = _blocked(check, {**(before or {}), **found}) or _look_within(check, subject, seconds)
        told(check.name, found[check.name])
    return found


def _blocked(check: Check[S], found: Findings) -> Finding | None:
    """Return the reason why a check is pointless, or None. The reason names the first failure, not those that follow from it."""
    for need in check.needs:
        if found[need].outcome is Outcome.FAILED:
            return not_checked(f"because {need} failed")
        if found[need].outcome is Outcome.NOT_CHECKED:
            return not_checked(found[need].text)
    return None


def _look_within(check: Check[S], subject: S, seconds: float) -> Finding:
    """Run a check in a thread, which is abandoned if it does not return: a driver's call cannot be interrupted from outside."""
    if seconds <= 0:
        return not_checked("because the checks before it took all the time", "watcherctl doctor --timeout 30")
    try:
        return begun(lambda: _look(check, subject)).result(seconds)
    except TimeoutError:
        return failed(f"no answer within {seconds:.0f} s", "watcherctl doctor --timeout 30 waits longer")


def begun(call: Callable[[], T]) -> Future[T]:
    """Start `call` in a daemon thread, and return its future result. The process can end without that thread; it would wait for an
    executor's threads.
    """
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
