"""Makes the messages of row changes from decoded change events: the definition of what `_bson_json.c` makes too, where it can."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from watcher.messages.envelopes.layout import Envelope, filling
from watcher.messages.row_values import COLLECTION, DATABASE, OPERATION, TRUNCATED, event_time_ms, name_values, record_time_ms
from watcher.messages.serializations.bson_json import JsonDialect
from watcher.model import Message

TopicNaming: TypeAlias = Callable[[str, str, str, str], str]
"""Names a topic from template, operation, database and collection."""


class RowMessages:
    """The messages of row changes in one envelope and serialization. `topics` are the topic templates by operation, and `topic_of`
    names a topic by its template."""

    def __init__(self, envelope: Envelope, serialization: JsonDialect, topics: Mapping[str, str], topic_of: TopicNaming) -> None:
        self._fill_key = filling(envelope.key)
        self._fill_value = {operation: (operation, filling(layout)) for operation, layout in envelope.values.items()}
        self._dumps = serialization.dumps
        self._topics = topics
        self._topic_of = topic_of

    def message(self, change: dict[str, Any], sequence: int, without: Collection[str] = ()) -> Message:
        """Make the message of a change that was decoded for the serialization; `without` names fields to be left out.

        Errors: LookupError, TypeError or AttributeError if the event is damaged.
        """
        time_ms = event_time_ms(change)
        name_values(change, sequence, time_ms)
        if without:
            change = {name: value for name, value in change.items() if name not in without} | {TRUNCATED: without}
        operation, fill_value = self._fill_value[change[OPERATION]]
        return Message(
            self._topic_of(self._topics[operation], operation, change[DATABASE], change[COLLECTION]),
            self._dumps(self._fill_key(change)),
            self._dumps(fill_value(change)),
            record_time_ms(time_ms),
            operation,
        )
