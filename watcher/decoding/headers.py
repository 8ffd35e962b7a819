"""The headers in which the watcher says of a message what the generic envelope has in its value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Self, TypeAlias

from watcher.decoding.message import UnknownMessage

PREFIX = "watcher."

Headers: TypeAlias = Iterable[tuple[str, bytes | str | None]]


class WatcherHeaders(NamedTuple):
    """What a message's headers say. `event_id` is empty in a message that has none."""

    watcher: str
    sequence: int
    operation: str
    event_id: str
    database: str
    collection: str

    @classmethod
    def of(cls, headers: Headers | None) -> Self | None:
        """Return the headers of a watcher's message; None if there are none. Raises UnknownMessage if they are damaged."""
        texts = {name[len(PREFIX) :]: _text(value) for name, value in headers or () if name.startswith(PREFIX)}
        if "sequence" not in texts:
            return None
        try:
            number = int(texts["sequence"])
            named = texts["name"], number, texts["operation"]
        except (KeyError, ValueError):
            raise UnknownMessage("its headers are not those of a watcher's message") from None
        return cls(*named, *(texts.get(name, "") for name in ("eventId", "database", "collection")))

    @property
    def snapshot(self) -> str | None:
        """The id of the snapshot that has copied the document: event ids of copies are `<id>.<n>`, and tokens have no point."""
        return self.event_id.rpartition(".")[0] or None


def _text(value: bytes | str | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""
