"""Looking at a watcher's position, and changing it by hand, while no worker runs.

A change goes the way of every position: under the watcher's own transactional id, so that a worker that still runs on another host
is fenced and ends, and in one transaction with its history and with the control message that tells consumers of it. Where the
position goes, `timeline` has asked MongoDB before.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import socket
import time
from collections import deque
from dataclasses import dataclass, replace

from confluent_kafka import KafkaError

from watcher.config import Settings
from watcher.errors import ConfigurationError, Outage, PositionLost
from watcher.kafka.errors import explained
from watcher.kafka.position import PositionReader, Saved
from watcher.kafka.sink import KafkaSink, check_database, counted_anew, position_gone
from watcher.kafka.topics import Topics
from watcher.log import iso
from watcher.messages.encoder import Encoder, MessageFormat
from watcher.model import Delivered, Message, Notice, Owner, Position, ResumeToken
from watcher.position.history import PositionChange, dump_history, load_history
from watcher.stream.loss_policies import gap_notice


@dataclass(frozen=True, slots=True)
class Look:
    """What Kafka holds of a watcher's position. `history` is oldest first.

    `fault` says why no worker could go on from it, if that is so, and `hint` what to do then.
    """

    saved: Saved
    fault: str
    history: tuple[PositionChange, ...]
    hint: str = ""

    @property
    def token(self) -> ResumeToken | None:
        """That of the position, if there is one."""
        return self.saved.position.token if self.saved.position else None


def look(settings: Settings, delivered: Delivered) -> Look:
    """Read it, without disturbing a worker; `delivered` tells whether there has to be one. Errors: Outage, NotPermitted."""
    troubles: deque[KafkaError] = deque(maxlen=16)
    topics = Topics(settings, troubles.append)
    try:
        if not topics.exists(settings.position_topic):
            return _judged(settings, delivered, Saved(), ())
        partitions = topics.partitions(settings.position_topic)
        looks = [_look_at(settings, delivered, PositionReader(settings, troubles.append, partition)) for partition in partitions]
    except Outage as error:
        topics.report_troubles()
        raise explained(error, troubles) from error
    return max(looks, key=_newness, default=_judged(settings, delivered, Saved(), ()))


def _look_at(settings: Settings, delivered: Delivered, reader: PositionReader) -> Look:
    history = load_history(reader.read_history())
    try:
        return _judged(settings, delivered, reader.read_so_far(), history)
    except PositionLost as error:
        return Look(Saved(), str(error), history, error.hint)


def _newness(seen: Look) -> tuple[int, str, str]:
    """How new it is among the partitions of the topic; there is one, unless somebody has added some."""
    return (seen.saved.position.sequence if seen.saved.position else -1, str((seen.token or {}).get("_data", "")), seen.fault)


def _judged(settings: Settings, delivered: Delivered, saved: Saved, history: tuple[PositionChange, ...]) -> Look:
    """With what a worker that opens there would say of it."""
    try:
        if saved.position is None and (delivered.any or saved.emptied):
            raise position_gone(settings)
        if saved.position:
            check_database(settings, saved.position)
    except (PositionLost, ConfigurationError) as error:
        return Look(saved, str(error), history, error.hint)
    return Look(saved, "", history)


def change(settings: Settings, delivered: Delivered, target: ResumeToken, what: str) -> PositionChange:
    """Set the position to `target`; `what` says why, for people. No worker may run on this host.

    The count of messages jumps, as no number may be given to two changes: after a step back the same changes come again, and a
    consumer that knows messages by their number has to take them.

    Errors: Outage, and then nothing is known of the outcome; as `KafkaSink.open`.
    """
    owner = Owner(secrets.token_hex(8), socket.gethostname(), os.getpid())
    sink = KafkaSink(settings, owner, delivered)
    with contextlib.closing(sink):
        position, lost = _taken_over(sink)
        history = load_history(PositionReader(settings, lambda _: None).read_history())
        made = PositionChange(iso(time.time()), f"{_user()}@{owner.host}", what, position.token, target)
        messages, after = _told(settings, position, made, lost=lost)
        sink.reposition(messages, after, dump_history([*history, made]))
    return made


def _taken_over(sink: KafkaSink) -> tuple[Position, bool]:
    """The position so far, and whether it is lost: then one without a token, which counts on from a number not used yet."""
    try:
        return sink.open(), False
    except PositionLost:
        return sink.open_anew(), True


def _told(settings: Settings, position: Position, made: PositionChange, *, lost: bool) -> tuple[list[Message], Position]:
    """The new position, and the control message before it; a watcher that has not begun yet has nobody to tell."""
    if position.token is None and not lost:
        return [], position.moved(made.after)
    sequence = position.sequence if lost else counted_anew(position.sequence)
    notice = notice_of(made)
    message = Encoder(MessageFormat.of(settings)).control(
        notice.operation, timestamp_ms=notice.timestamp_ms, sequence=sequence + 1, **notice.fields
    )
    return [message], replace(position, token=made.after, sequence=sequence + 1)


def notice_of(made: PositionChange) -> Notice:
    """`rewind`: the changes up to where the stream stood come again. `gap`: those up to where it goes on are left out."""
    notice = gap_notice(f"The position was changed by hand: {made.what}, by {made.by}.", made.before, made.after)
    return replace(notice, operation="rewind") if is_step_back(made.before, made.after) else notice


def is_step_back(before: ResumeToken | None, after: ResumeToken) -> bool:
    """Whether changes come again; tokens sort as text in the order of the stream."""
    return before is not None and after["_data"] < before["_data"]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())
