"""Reads a watcher's position, and changes it by hand while no worker runs.

A change is written as every position is: under the watcher's own transactional id. So a worker that still runs on another host is
fenced and ends. The change, its history and the control message that tells consumers of it are one transaction. `timeline` has
asked MongoDB about the new position before.
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
from watcher.kafka.ownership import check_database, counted_anew, position_gone
from watcher.kafka.position import Saved
from watcher.kafka.position_reader import PositionReader
from watcher.kafka.sink import KafkaSink
from watcher.kafka.topics import Topics
from watcher.log import iso
from watcher.messages.encoder import Encoder, MessageFormat
from watcher.model import Delivered, Message, Notice, Owner, Position, ResumeToken
from watcher.position.history import PositionChange, dump_history, load_history
from watcher.stream.loss_policies import gap_notice


@dataclass(frozen=True, slots=True)
class Look:
    """A watcher's position as Kafka holds it. `history` is oldest first.

    If no worker could go on from it, `fault` says why and `hint` what to do; otherwise both are empty.
    """

    saved: Saved
    fault: str
    history: tuple[PositionChange, ...]
    hint: str = ""

    @property
    def token(self) -> ResumeToken | None:
        """The resume token of the position; None if there is no position."""
        return self.saved.position.token if self.saved.position else None


def look(settings: Settings, delivered: Delivered) -> Look:
    """Read the position without disturbing a worker; `delivered` tells whether there must be one. Errors: Outage, NotPermitted."""
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
    """Sort key, newest last, for what the partitions of the topic hold; there is one partition unless somebody has added some."""
    return (seen.saved.position.sequence if seen.saved.position else -1, str((seen.token or {}).get("_data", "")), seen.fault)


def _judged(settings: Settings, delivered: Delivered, saved: Saved, history: tuple[PositionChange, ...]) -> Look:
    """Add the fault that a worker would find if it opened there."""
    try:
        if saved.position is None and (delivered.any or saved.emptied):
            raise position_gone(settings)
        if saved.position:
            check_database(settings, saved.position)
    except (PositionLost, ConfigurationError) as error:
        return Look(saved, str(error), history, error.hint)
    return Look(saved, "", history)


def change(settings: Settings, delivered: Delivered, target: ResumeToken, what: str) -> PositionChange:
    """Set the position to `target`; `what` tells people the reason. No worker may run on this host.

    The sequence numbers of the messages jump, because no number may be given twice: after a step back the same changes come again,
    and a consumer that recognises messages by their number has to accept them.

    Errors: Outage, which leaves the outcome unknown; those of `KafkaSink.open`.
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
    """Take the watcher over; returns its position, and True if it is lost. A lost position has no token, and counts on from a
    number that has not been used yet."""
    try:
        return sink.open(), False
    except PositionLost:
        return sink.open_anew(), True


def _told(settings: Settings, position: Position, made: PositionChange, *, lost: bool) -> tuple[list[Message], Position]:
    """Return the control message about the change, and the new position after it. A watcher that has not begun yet has nobody to
    tell: then there is no message."""
    if position.token is None and not lost:
        return [], position.moved(made.after)
    sequence = position.sequence if lost else counted_anew(position.sequence)
    notice = notice_of(made)
    message = Encoder(MessageFormat.of(settings)).control(
        notice.operation, timestamp_ms=notice.timestamp_ms, sequence=sequence + 1, **notice.fields
    )
    return [message], replace(position, token=made.after, sequence=sequence + 1)


def notice_of(made: PositionChange) -> Notice:
    """Make the notice of a change. `rewind`: the changes up to the old position come again. `gap`: the changes up to the new
    position are left out."""
    notice = gap_notice(f"The position was changed by hand: {made.what}, by {made.by}.", made.before, made.after)
    return replace(notice, operation="rewind") if is_step_back(made.before, made.after) else notice


def is_step_back(before: ResumeToken | None, after: ResumeToken) -> bool:
    """Return True if changes come again. As text, tokens sort in the order of the stream."""
    return before is not None and after["_data"] < before["_data"]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())
