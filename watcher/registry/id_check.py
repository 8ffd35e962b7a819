"""Looks, now and then, whether a registry still has each id for its schema. One that was wiped may give them to other schemas."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from watcher.errors import WatcherError
from watcher.registry.canonical import canonical
from watcher.registry.client import Refusal, SchemaRegistry

LOOK_SECONDS = 15.0
"""Longest time for which ids are taken for good without a look, as long as the registry answers."""

RETRY_SECONDS = 5.0
"""Interval between looks at a registry that does not answer."""

logger = logging.getLogger("watcher")


class IdCheck:
    """Ids that are in use, and what is known of them.

    Looks are made in a thread, so that a registry that is slow or away holds up nobody who has the ids. Only the first one after a
    pause is waited for.
    """

    def __init__(self, registry: SchemaRegistry, clock: Callable[[], float]) -> None:
        """`clock` is in seconds."""
        self._registry = registry
        self._clock = clock
        self._texts: dict[int, str] = {}
        self._lost: Sequence[int] = ()
        self._is_away = False
        self._thread: threading.Thread | None = None
        self._confirmed_at = self._due = 0.0
        self._confirmed()

    def add(self, number: int, text: str) -> None:
        """Add an id that the registry has given for the schema `text`."""
        self._texts[number] = text

    def lost(self) -> Sequence[int]:
        """Return the ids that the registry no longer has for their schemas, as far as is known. Call it before each message."""
        now = self._clock()
        if now >= self._due and not self._lost and not self._is_looking:
            self._due = now + RETRY_SECONDS
            if self._is_away or now < self._confirmed_at + LOOK_SECONDS:
                self._thread = threading.Thread(target=self._look, name="schema-ids", daemon=True)
                self._thread.start()
            else:
                self._look()
        return self._lost

    @property
    def _is_looking(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _confirmed(self) -> None:
        self._confirmed_at = self._clock()
        self._due = self._confirmed_at + LOOK_SECONDS / 2
        self._is_away = False

    def _look(self) -> None:
        try:
            lost = [number for number, text in list(self._texts.items()) if not is_still(self._registry, number, text)]
        except (WatcherError, Refusal) as error:
            level = logging.DEBUG if self._is_away else logging.WARNING
            logger.log(level, "going on with the known ids of schemas: %s", error)
            self._is_away, self._due = True, self._clock() + RETRY_SECONDS
        else:
            self._lost = lost
            self._confirmed()


def is_still(registry: SchemaRegistry, number: int, text: str) -> bool:
    """Return True if the registry has the schema under this id. Errors: as `SchemaRegistry.ask`."""
    try:
        return bool(canonical(registry.schema(number)) == canonical(text))
    except Refusal as refusal:
        if refusal.status == 404:
            return False
        raise
