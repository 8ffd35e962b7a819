"""The definition of a check, and of its findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

S = TypeVar("S")


class Outcome(StrEnum):
    """The outcome of a check. FAILED keeps a watcher from working; WARNING does not, for now."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "notChecked"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check, and its remedy in `fix`: a command or a setting. Texts may have several lines, and never hold a
    secret.
    """

    outcome: Outcome
    text: str
    fix: str = ""


def ok(text: str) -> Finding:
    """Make a finding that all is well."""
    return Finding(Outcome.OK, text)


def warning(text: str, fix: str) -> Finding:
    """Make a finding that things work, but not as well or not for as long as they could."""
    return Finding(Outcome.WARNING, text, fix)


def failed(text: str, fix: str) -> Finding:
    """Make a finding that keeps a watcher from working."""
    return Finding(Outcome.FAILED, text, fix)


def not_checked(reason: str, fix: str = "") -> Finding:
    """Make a finding that nothing is known. `reason` completes the sentence "not checked …"."""
    return Finding(Outcome.NOT_CHECKED, reason, fix)


@dataclass(frozen=True, slots=True)
class Check(Generic[S]):
    """One question about a subject. It is asked only if the checks that it `needs` did not fail.

    `look` may raise a WatcherError. This counts as a failure, with the error's hint as the fix. Names have the form `area.what`.
    """

    name: str
    look: Callable[[S], Finding]
    needs: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The check's topic, in words for people."""
        return self.name.partition(".")[2].replace("-", " ")
