"""Which handler a message goes to: exactly one, the most specific."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from watcher.consumer.change import Change
from watcher.consumer.handlers import Result
from watcher.consumer.operations import ANY, near

Handler = Callable[[Change], Result]
BatchHandler = Callable[[list[Change]], Result]

REMEMBERED = 10_000
"""Names are data: whoever creates collections without end must not fill our memory."""


@dataclass(frozen=True, slots=True)
class Route:
    """A handler and what it takes. `batch_size` is 0 for one that takes single changes, else the most it takes at once."""

    handler: Callable[[list[Change]], object]
    collection: str = ANY
    operations: tuple[str, ...] = (ANY,)
    database: str = ANY
    batch_size: int = 0
    wait_s: float = 0.0

    def takes(self, change: Change) -> bool:
        """Whether it matches. A message without a collection matches `*` alone."""
        return (
            (ANY in self.operations or change.operation in self.operations)
            and (self.collection == ANY or (change.collection is not None and fnmatchcase(change.collection, self.collection)))
            and fnmatchcase(change.database, self.database)
        )

    @property
    def vagueness(self) -> tuple[int, int, int]:
        """What is written out comes before a glob, and that before any; the collection counts first, the operation last."""
        return _vagueness(self.collection), _vagueness(self.database), int(ANY in self.operations)


class Routes:
    """The handlers of one consumer."""

    def __init__(self) -> None:
        self._routes: list[Route] = []
        self._other: Route | None = None
        self._found: dict[tuple[str, str | None, str], Route | None] = {}

    def add(self, route: Route) -> None:
        """Take a handler. Raises ValueError where another one takes the very same."""
        for known in self._routes:
            if (known.collection, known.database) == (route.collection, route.database) and (
                both := set(known.operations) & set(route.operations)
            ):
                raise ValueError(f"{route.collection} already has a handler for {', '.join(sorted(both))}")
        self._routes.append(route)
        self._found.clear()

    def set_other(self, route: Route) -> None:
        """The handler for what no other takes. Raises ValueError where there is one."""
        if self._other is not None:
            raise ValueError("there already is a handler for what no other takes")
        self._other = route
        self._found.clear()

    def find(self, change: Change) -> Route | None:
        """Where it goes; None if nobody wants it."""
        what = (change.database, change.collection, change.operation)
        try:
            return self._found[what]
        except KeyError:
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            route = self._found[what] = self._choose(change)
            return route

    def similar(self, change: Change) -> str | None:
        """The name of a collection for which there is a handler, and which may have been meant."""
        return near(change.collection or "", (route.collection for route in self._routes if not _vagueness(route.collection)))

    def _choose(self, change: Change) -> Route | None:
        """Among equals, the one that was registered first: min() keeps it."""
        taking = (route for route in self._routes if route.takes(change))
        return min(taking, key=lambda route: route.vagueness, default=self._other)


def _vagueness(pattern: str) -> int:
    if pattern == ANY:
        return 2
    return int(any(character in pattern for character in "*?["))
