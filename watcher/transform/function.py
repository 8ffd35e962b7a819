"""The call of the user's function, and the check of what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from watcher.config import Settings
from watcher.config.fault import Refused
from watcher.config.topics.configured import is_internal
from watcher.config.topics.name import folded, topic_pattern
from watcher.config.topics.template import check_topic
from watcher.messages.envelopes.generic import FIELDS
from watcher.messages.row_values import SEQUENCE
from watcher.operations import ROW_OPERATIONS
from watcher.transform.guard import IDENTITY, HangGuard
from watcher.transform.loading import Function

TOPIC = "topic"
"""Key under which the function may name another topic."""

FIXED = ("database", "collection", "timestamp", "eventId", "watcher", "snapshot", "truncated")
"""Fields that tell where a message comes from; they stay as they are."""

ALLOWED = {*FIELDS, TOPIC} - {SEQUENCE}
DOCUMENTS = ("fullDocument", "fullDocumentBeforeChange", "updateDescription")


class TransformFailed(Exception):
    """The function raised an error, did not return, or returned no message. The text says which, without the message's content."""


class TransformHung(TransformFailed):
    """The function did not return from this message, which has ended an earlier process. `call` is the name of the call."""

    def __init__(self, text: str, call: bytes) -> None:
        super().__init__(text)
        self.call = call


class Transform:
    """The user's function, called `reference` in the settings."""

    def __init__(
        self,
        reference: str,
        function: Function,
        guard: HangGuard | None = None,
        *,
        purpose_of: Callable[[str], str] = lambda _topic: "",
    ) -> None:
        """`purpose_of` tells what else a topic is for, as the function `purpose_of` here does."""
        self.reference = reference
        self._purpose_of = purpose_of
        self._function = function
        self._guard = guard

    def __call__(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Return what becomes of a message without `sequence`; None if nothing does. The message may be changed in place.

        Errors: TransformFailed.
        """
        call = _call_name(message) if self._guard else b""
        if self._guard and self._guard.is_hung_at(call):
            raise TransformHung(f"did not return within {self._guard.seconds:g} s, which has ended an earlier process", call)
        fixed = {name: message.get(name) for name in FIXED}
        if self._guard:
            self._guard.begin(call)
        try:
            result = self._function(message)
        except (Exception, SystemExit) as error:
            raise TransformFailed(f"raised {type(error).__name__} at {_place(error.__traceback__)}") from error
        finally:
            if self._guard:
                self._guard.end()
        return None if result is None else self._checked(result, fixed)

    def forget_hang(self, call: bytes) -> None:
        """Forget that the function hung in this call; the dead letter about its message is in Kafka."""
        if self._guard:
            self._guard.forget(call)

    def forget_hangs(self) -> None:
        """Forget all events at which the function hung, so that it is called with them again, once a person has corrected it."""
        if self._guard:
            self._guard.forget_all()

    def _checked(self, result: object, fixed: Mapping[str, Any]) -> dict[str, Any]:
        """Return the message that the function has returned. Errors: TransformFailed."""
        message = _checked(result, fixed)
        if TOPIC in message:
            topic = _checked_topic(message[TOPIC])
            if purpose := self._purpose_of(topic):
                raise TransformFailed(f"named the topic '{topic}', which is {purpose}")
        return message


def _call_name(message: Mapping[str, Any]) -> bytes:
    """Name the call with a message for the guard: by its event's id. That of a snapshot's row counts the rows, and another row may
    have the number after a restart; so its document follows."""
    event_id = str(message["eventId"])
    if "snapshot" not in message:
        return event_id.encode()
    document = sha256(orjson.dumps([message[name] for name in ("snapshot", "database", "collection", "documentKey")]))
    return f"{event_id}{IDENTITY}{document.hexdigest()}".encode()


def _place(traceback: TracebackType | None) -> str:
    """Name the file and the line where an error was raised."""
    while traceback and traceback.tb_next:
        traceback = traceback.tb_next
    return f"{Path(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno}" if traceback else "an unknown place"


def _checked(result: object, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message that the function has returned. Errors: TransformFailed."""
    if not isinstance(result, dict):
        raise TransformFailed(f"returned {type(result).__name__}, and neither a message nor None")
    if unknown := [name for name in result if name not in ALLOWED]:
        raise TransformFailed(f"adds {unknown[0]!r} beside the message's own fields; fullDocument has room for it")
    if changed := [name for name, value in fixed.items() if result.get(name) != value]:
        raise TransformFailed(f"changes {changed[0]}, which must stay")
    if result.get("operationType") not in ROW_OPERATIONS:
        raise TransformFailed(f"returned a message whose operationType is none of {', '.join(ROW_OPERATIONS)}")
    key = result.get("documentKey")
    if not isinstance(key, dict) or "_id" not in key:
        raise TransformFailed("returned a message without the _id in documentKey")
    for name in DOCUMENTS:
        if not isinstance(result.get(name), (dict, type(None))):
            raise TransformFailed(f"returned a message whose {name} is no object")
    return result


def _checked_topic(topic: object) -> str:
    if not isinstance(topic, str) or not topic:
        raise TransformFailed("named a topic that is no text")
    try:
        check_topic(topic, ())
    except Refused as refused:
        raise TransformFailed(f"named a topic that Kafka does not take: {refused}") from refused
    if is_internal(topic):
        raise TransformFailed(f"named one of Kafka's own topics, '{topic}'")
    return topic


def purpose_of(settings: Settings, topic: str) -> str:
    """Tell what the watcher has a topic for, if no message about a document may go there, as `check` has it for settings; empty if
    one may."""
    if folded(topic) == folded(settings.position_topic):
        return "where the watcher keeps its position"
    control = topic_pattern(settings.kafka_topic_control, settings.scope.single)
    if settings.envelope != "generic" and control.match(topic):
        return "for control messages, whose readers expect no documents"
    return ""
