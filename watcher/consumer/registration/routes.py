"""Chooses the handler for a message: exactly one, the most specific."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from watcher.consumer.change import Change
from watcher.consumer.registration.handlers import Result
from watcher.consumer.registration.operations import ANY, near

Handler = Callable[[Change], Result]
BatchHandler = Callable[[list[Change]], Result]

REMEMBERED = 10_000
"""Limit for remembered names. Names are data: somebody who creates collections without end must not fill our memory."""


@dataclass(frozen=True, slots=True)
class Route:
    """A handler and the messages that it takes. `batch_size` is the most changes it takes at once, or 0 for single changes.
    `is_of_control` marks a handler of control messages alone.
    """

    handler: Callable[[list[Change]], object]
    collection: str = ANY
    operations: tuple[str, ...] = (ANY,)
    database: str = ANY
    batch_size: int = 0
    wait_s: float = 0.0
    is_of_control: bool = False

    def takes(self, change: Change) -> bool:
        """True if the handler takes this message. Only `*` matches a message without a collection."""
        return (
            (ANY in self.operations or change.operation in self.operations)
            and (self.collection == ANY or (change.collection is not None and fnmatchcase(change.collection, self.collection)))
            and fnmatchcase(change.database, self.database)
        )

    @property
    def vagueness(self) -> tuple[bool, int, int, int]:
        """Sort key that puts the most specific route first: one of control messages, then a name before a glob, and a glob before
        `*`. Then the collection counts first, the operation last.
        """
        return not self.is_of_control, _vagueness(self.collection), _vagueness(self.database), int(ANY in self.operations)


class Routes:
    """The handlers of one consumer."""

    def __init__(self) -> None:
        self._routes: list[Route] = []
        self._other: Route | None = None
        self._found: dict[tuple[str, str | None, str], Route | None] = {}

    def add(self, route: Route) -> None:
        """Add a handler. Raises ValueError if another one takes exactly the same."""
        for known in self._routes:
            if (known.collection, known.database) == (route.collection, route.database) and (
                both := set(known.operations) & set(route.operations)
            ):
                raise ValueError(f"{route.collection} already has a handler for {', '.join(sorted(both))}")
        self._routes.append(route)
        self._found.clear()

    def set_other(self, route: Route) -> None:
        """Set the handler for messages that no other takes. Raises ValueError if there is one already."""
        if self._other is not None:
            raise ValueError("there already is a handler for what no other takes")
        self._other = route
        self._found.clear()

    def find(self, change: Change) -> Route | None:
        """Return the route for a message; None if no handler takes it."""
        what = (change.database, change.collection, change.operation)
        try:
            return self._found[what]
        except KeyError:
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            route = self._found[what] = self._choose(change)
            return route

    def similar(self, change: Change) -> str | None:
        """Return the name of a collection with a handler that may have been meant."""
        return near(change.collection or "", (route.collection for route in self._routes if not _vagueness(route.collection)))

    def _choose(self, change: Change) -> Route | None:
        """Choose the most specific route. Among equals, min() keeps the one that was registered first."""
        taking = (route for route in self._routes if route.takes(change))
        return min(taking, key=lambda route: route.vagueness, default=self._other)


def _vagueness(pattern: str) -> int:
    if pattern == ANY:
        return 2
    return int(any(character in pattern for character in "*?["))
