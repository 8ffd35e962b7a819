"""Whose a watcher is, and from where its owner goes on: what is read in the position topic, judged. Pure.

Two workers with one transactional id would fence each other for ever, since an error about fencing does not say who did it. So each
writes its name before it reads, and looks at the name that stands there before it takes the watcher over again.
"""

from __future__ import annotations

from dataclasses import replace

from watcher.config import Settings
from watcher.errors import ConfigurationError, NotOwner, PositionLost
from watcher.kafka.position import Saved
from watcher.model import Delivered, Owner, Position

NEW_COUNT = 1_000_000
"""If a stream does not go on where it was left, its messages are counted on from a multiple of this, so that the jump shows."""

UNKNOWN_COUNT = NEW_COUNT // 2
"""More messages than can have been written since the last number was noted. The known number may be old, and no number may be given
twice."""


class Ownership:
    """One worker's claim to a watcher."""

    def __init__(self, settings: Settings, owner: Owner, delivered: Delivered) -> None:
        """`delivered` is what is known of earlier messages: if there were any, a missing position is a lost one."""
        self._settings = settings
        self._expects_position = delivered.any
        self._last_sequence = delivered.sequence
        self._claimed = False
        self.owner = owner

    def claimed(self) -> None:
        """Note that our name stands in the position topic: from now on it must."""
        self._claimed = True

    @property
    def is_to_be_checked(self) -> bool:
        """True once our name was written: another one in its place means that another worker has come."""
        return self._claimed

    def check(self, saved: Saved) -> None:
        """Compare the name that stands there with ours. Errors: NotOwner; PositionLost if there is none."""
        if saved.owner is None:
            raise position_gone(self._settings)
        if saved.owner.instance != self.owner.instance:
            raise NotOwner(
                f"Another worker has taken over this watcher: process {saved.owner.pid} on {saved.owner.host}.",
                hint=f"Only one worker may use {self._settings.kafka_client_id}. Stop the other, then start this one.",
            )

    def position(self, saved: Saved) -> Position:
        """Return the position to go on from, in our name. Errors: PositionLost, ConfigurationError."""
        if saved.position is None and (self._expects_position or saved.emptied):
            raise position_gone(self._settings)
        position = saved.position or Position(self._settings.database, self.owner)
        check_database(self._settings, position)
        return replace(position, owner=self.owner)

    def position_anew(self) -> Position:
        """Return the position of a watcher whose own is lost: without a token, and with a sequence number that was never used."""
        return Position(self._settings.database, self.owner, sequence=counted_anew(self._last_sequence))

    def delivered(self, sequence: int) -> None:
        """Note the number of the last message that is committed."""
        self._last_sequence = sequence


def counted_anew(last: int) -> int:
    """Return the number to count on from if the last sequence number is about `last`."""
    return ((last + UNKNOWN_COUNT) // NEW_COUNT + 1) * NEW_COUNT


def position_gone(settings: Settings) -> PositionLost:
    """Make the error for a watcher that has delivered before and has no position."""
    return PositionLost(
        f"This watcher has delivered before, but {settings.position_topic} holds no position.",
        hint='Was the topic deleted? on_position_lost = "restart" starts anew from now, '
        f"`watcherctl position reset {settings.name}` from start_from, and `position rewind` at a time.",
    )


def check_database(settings: Settings, saved: Position) -> None:
    """Raise ConfigurationError if the position belongs to another database."""
    if saved.database != settings.database:
        raise ConfigurationError(
            f"The saved position of {settings.kafka_client_id} belongs to database {saved.database}, not to {settings.database}.",
            hint="Give each database a kafka_client_id of its own.",
        )
