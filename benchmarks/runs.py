"""Several runs of several contenders: everybody's turn, who has failed, and when to stop."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar


class Named(Protocol):
    """Whoever takes part."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


class Attempts:
    """Keeps going when a contender fails; that one does not take part in later runs. Stops before `until` (of time.monotonic).

    `limit_s`: how long a contender may take.
    """

    def __init__(self, until: float | None = None, limit_s: float = 900.0) -> None:
        self.failed: dict[str, str] = {}
        self.limit_s = limit_s
        self._until = until
        self._number = 0

    def numbers(self, runs: int) -> Iterator[int]:
        """0, 1, 2, …; ends early when another run as long as the longest so far would not be done in time."""
        longest = 0.0
        for self._number in range(runs):
            started = time.monotonic()
            if self._until is not None and self._number and started + longest > self._until:
                print(f"  no time for more than {self._number} of {runs} runs", flush=True)
                return
            yield self._number
            longest = max(longest, time.monotonic() - started)

    def in_turn(self, contenders: Sequence[T]) -> list[T]:
        """Those that have not failed, another one first in each run: what changes with time is alike for all then."""
        shift = self._number % max(1, len(contenders))
        return [each for each in (*contenders[shift:], *contenders[:shift]) if each.name not in self.failed]

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """A contender's turn: its failure is kept, with the reason."""
        try:
            yield
        except SystemExit as error:
            if not isinstance(error.code, str):  # not a contender's, but a signal to us
                raise
            self._note(name, error.code)
        except Exception as error:  # noqa: BLE001 - one contender's failure must not take the others' figures away
            traceback.print_exc()
            self._note(name, str(error) or type(error).__name__)

    def _note(self, name: str, reason: str) -> None:
        self.failed[name] = reason
        print(f"  {name} failed: {reason}", flush=True)
