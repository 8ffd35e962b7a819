"""Faults of the configuration, and their places in it."""

from __future__ import annotations

import difflib
import errno
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from watcher.errors import ConfigurationError


class Refused(ValueError):
    """A value is not acceptable. The text says what it must be, and `hint` what to write instead. Secrets are never repeated.

    `key` names the setting as far as it is known: the code that checks a value does not know which setting it belongs to.
    """

    def __init__(self, text: str, *, hint: str = "", key: str = "") -> None:
        super().__init__(text)
        self.hint = hint
        self.key = key

    def within(self, key: str) -> Self:
        """Put `key` in front of this refusal's own key, and return the refusal."""
        self.key = f"{key}.{self.key}" if self.key else key
        return self


class Invalid(ValueError):
    """Values are not acceptable. `refusals` lists everything that is wrong with them."""

    def __init__(self, refusals: Iterable[Refused]) -> None:
        self.refusals = tuple(refusals)
        super().__init__("; ".join(f"{refused.key}: {refused}" if refused.key else str(refused) for refused in self.refusals))


@dataclass(frozen=True, slots=True)
class Origin:
    """The place a value comes from: a line of a file, or one of the two constants below."""

    source: Path | str
    line: int | None = None

    @property
    def directory(self) -> Path:
        """The directory at which relative paths of this place start; without a file, the working directory."""
        return self.source.parent if isinstance(self.source, Path) else Path()

    def __str__(self) -> str:
        place = shown_path(self.source) if isinstance(self.source, Path) else self.source
        return place if self.line is None else f"{place}:{self.line}"


BUILT_IN = Origin("built-in")
ENVIRONMENT = Origin("environment")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its place, its key (empty if it is not about a single one), a description, and a hint on what to do about it."""

    origin: Origin
    key: str
    text: str
    hint: str = ""

    @property
    def message(self) -> str:
        """The fault as `file:line key: text`, without the hint."""
        return f"{self.origin} {self.key}: {self.text}" if self.key else f"{self.origin}: {self.text}"

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


def configuration_error(faults: Sequence[Fault]) -> ConfigurationError:
    """Combine all `faults`, at least one, into one error."""
    if len(faults) == 1:
        return ConfigurationError(faults[0].message, hint=faults[0].hint)
    return ConfigurationError("\n  ".join([f"the configuration has {len(faults)} faults:", *map(str, faults)]))


_NEAR = 0.7
"""The least similarity of two words that count as near, from 0 to 1, as difflib measures it."""

SURELY_MEANT = 0.85
"""The least similarity of an unknown name to a known one to count as a misspelling. Below that it may belong to somebody else: an
option to another driver that uses the same URI, a property to a plugin of librdkafka."""


def did_you_mean(word: str, known: Iterable[str], cutoff: float = _NEAR) -> str:
    """The question `did you mean 'x'?` with the nearest known word; empty if none is near. Case does not matter."""
    match = nearest(word, known, cutoff)
    return f"did you mean '{match}'?" if match else ""


def nearest(word: str, known: Iterable[str], cutoff: float = _NEAR) -> str:
    """The known word most similar to `word`; empty if none is near. Case does not matter."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[matches[0]] if matches else ""


READING_HINTS: Mapping[int | None, str] = {
    errno.ENOENT: "is its name right? a link may lead nowhere",
    errno.EISDIR: "it must be a file",
    errno.EACCES: "the user who runs this must be allowed to read it",
}


def why_unread(error: OSError | UnicodeDecodeError) -> tuple[str, str]:
    """The reason why a text file could not be read, and a hint on what to do about it."""
    if isinstance(error, OSError):
        return str(error.strerror), READING_HINTS.get(error.errno, "")
    return "not UTF-8 text", "save it as UTF-8"


def shown_path(path: Path) -> str:
    """The path as people type it: relative to the working directory if it is inside it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):  # OSError: the working directory was removed
        return str(path)


def typed(paths: Iterable[Path]) -> str:
    """The paths as arguments of a command that somebody may copy into a shell."""
    return shlex.join(map(shown_path, paths))
