"""Faults of the configuration, and where in it they are."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from watcher.errors import ConfigurationError


class Refused(ValueError):
    """A value is not acceptable; says what it must be, and in `hint` what to write instead. It never repeats a secret.

    `key` is the one it is about, as far as that is known: whoever checks a value does not know where it belongs.
    """

    def __init__(self, text: str, *, hint: str = "", key: str = "") -> None:
        super().__init__(text)
        self.hint = hint
        self.key = key

    def within(self, key: str) -> Self:
        """This, about the key inside `key`, or about `key` itself."""
        self.key = f"{key}.{self.key}" if self.key else key
        return self


class Invalid(ValueError):
    """Values are not acceptable; `refusals` says all that is wrong with them."""

    def __init__(self, refusals: Iterable[Refused]) -> None:
        self.refusals = tuple(refusals)
        super().__init__("; ".join(f"{refused.key}: {refused}" if refused.key else str(refused) for refused in self.refusals))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: a line of a file, or one of the two below."""

    source: Path | str
    line: int | None = None

    def __str__(self) -> str:
        place = shown_path(self.source) if isinstance(self.source, Path) else self.source
        return place if self.line is None else f"{place}:{self.line}"


BUILT_IN = Origin("built-in")
ENVIRONMENT = Origin("environment")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: where it is, in which key (empty: in no single one), what it is, and what to do about it."""

    origin: Origin
    key: str
    text: str
    hint: str = ""

    @property
    def message(self) -> str:
        """`file:line key: text`, without the hint."""
        return f"{self.origin} {self.key}: {self.text}" if self.key else f"{self.origin}: {self.text}"

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


def configuration_error(faults: Sequence[Fault]) -> ConfigurationError:
    """All `faults` (at least one) as one error."""
    if len(faults) == 1:
        return ConfigurationError(faults[0].message, hint=faults[0].hint)
    return ConfigurationError("\n  ".join([f"the configuration has {len(faults)} faults:", *map(str, faults)]))


_NEAR = 0.7
"""How alike two words must be, from 0 to 1, as difflib has it."""


def did_you_mean(word: str, known: Iterable[str], cutoff: float = _NEAR) -> str:
    """`did you mean 'x'?` for the nearest known word, whatever its case; empty if nothing is near."""
    match = nearest(word, known, cutoff)
    return f"did you mean '{match}'?" if match else ""


def nearest(word: str, known: Iterable[str], cutoff: float = _NEAR) -> str:
    """The known word most like `word`, whatever its case; empty if none is near."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[matches[0]] if matches else ""


READING_HINTS: Mapping[int | None, str] = {
    errno.ENOENT: "is its name right? a link may lead nowhere",
    errno.EISDIR: "it must be a file",
    errno.EACCES: "the user who runs this must be allowed to read it",
}


def why_unread(error: OSError | UnicodeDecodeError) -> tuple[str, str]:
    """Why a file of text could not be read, and what to do about it."""
    if isinstance(error, OSError):
        return str(error.strerror), READING_HINTS.get(error.errno, "")
    return "not UTF-8 text", "save it as UTF-8"


def shown_path(path: Path) -> str:
    """`path` as people type it: relative to the working directory when it lies below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
