"""What a check is, and what it can find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

S = TypeVar("S")


class Outcome(StrEnum):
    """How a check ended. FAILED keeps a watcher from working, WARNING does not yet."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "notChecked"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, and what to do about it: a command or a setting. Texts may have several lines, and never hold a secret."""

    outcome: Outcome
    text: str
    fix: str = ""


def ok(text: str) -> Finding:
    """All is well."""
    return Finding(Outcome.OK, text)


def warning(text: str, fix: str) -> Finding:
    """It works, but not as well or not as long as it could."""
    return Finding(Outcome.WARNING, text, fix)


def failed(text: str, fix: str) -> Finding:
    """A watcher cannot work like this."""
    return Finding(Outcome.FAILED, text, fix)


def not_checked(reason: str, fix: str = "") -> Finding:
    """Nothing is known; `reason` completes the sentence "not checked …"."""
    return Finding(Outcome.NOT_CHECKED, reason, fix)


@dataclass(frozen=True, slots=True)
class Check(Generic[S]):
    """One question about a subject; it is asked only when the checks that it `needs` did not fail.

    `look` may raise a WatcherError, which is a failure with the error's hint as the fix. Names are `area.what`.
    """

    name: str
    look: Callable[[S], Finding]
    needs: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What it is about, for people."""
        return self.name.partition(".")[2].replace("-", " ")
