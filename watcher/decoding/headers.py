"""The headers in which the watcher says of a message what the generic envelope has in its value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Self, TypeAlias

from watcher.decoding.message import UnknownMessage
from watcher.operations import EVENT_ID_HEADER, OPERATION_HEADER, SEQUENCE_HEADER, WATCHER_HEADER

Headers: TypeAlias = Iterable[tuple[str, bytes | str | None]]


class WatcherHeaders(NamedTuple):
    """Contents of a message's headers. `event_id` is empty in a message that has none."""

    watcher: str
    sequence: int
    operation: str
    event_id: str

    @classmethod
    def of(cls, headers: Headers | None) -> Self | None:
        """Return the headers of a watcher's message; None if there are none. Raises UnknownMessage if they are damaged."""
        texts = {name: _text(value) for name, value in headers or ()}
        if SEQUENCE_HEADER not in texts:
            return None
        try:
            number = int(texts[SEQUENCE_HEADER])
            return cls(texts[WATCHER_HEADER], number, texts[OPERATION_HEADER], texts.get(EVENT_ID_HEADER, ""))
        except (KeyError, ValueError):
            raise UnknownMessage("its headers are not those of a watcher's message") from None

    @property
    def snapshot(self) -> str | None:
        """The id of the snapshot that has copied the document: event ids of copies are `<id>.<n>`, and tokens have no point."""
        return self.event_id.rpartition(".")[0] or None


def _text(value: bytes | str | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""
