"""Judges what is read in the position topic: to whom a watcher belongs, and from where its owner goes on. Pure.

Two workers with one transactional id would fence each other for ever, since an error about fencing does not say who did it. So each
writes its name before it reads, and looks at the name that stands there before it takes the watcher over again. What is known of
earlier messages goes from claim to claim, so that it is known on every host.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from watcher.config import Settings
from watcher.config.mongodb.scope import ALL
from watcher.errors import ConfigurationError, NotOwner, PositionLost, TakenOver
from watcher.kafka.position import Command, Saved, Stamp, delivered_up_to, dump, dump_claim
from watcher.kafka.succession import NextStep, Patience, as_command, as_fenced_worker
from watcher.log import iso
from watcher.model import Delivered, Owner, Position, Snapshot

NEW_COUNT = 1_000_000
"""If a stream does not go on where it was left, its messages are counted on from a multiple of this, so that the jump shows."""

UNKNOWN_COUNT = NEW_COUNT // 2
"""More messages than can have been written since the last number was noted. The known number may be old, and no number may be given
twice."""


COMMAND_SECONDS = 10
"""Time for which the claim of a command is left alone, and after which Kafka aborts its transaction."""


class Ownership:
    """One process' claim to a watcher: a worker's for as long as it lives, or a command's for one change."""

    def __init__(self, settings: Settings, owner: Owner, delivered: Delivered, command: Command | None = None) -> None:
        """`delivered` is what this host knows of earlier messages: if there were any, a missing position is a lost one."""
        self._settings = settings
        self._owner = owner
        self._command = command
        self._live = True
        self._claimed = self._was_claimed = self._has_looked = False
        self._written: Stamp | None = None
        self._active_since: str | None = None
        self._patience = Patience()
        self.delivered = delivered

    def claimed(self) -> None:
        """Note that our name stands in the position topic: from now on it must."""
        self._claimed = True

    def disown(self) -> None:
        """Forget our claim, and with it the check of the name that stands there: somebody else may have the watcher now."""
        self._claimed = self._has_looked = False
        self._active_since = None
        self._patience = Patience()

    def learn(self, delivered: Delivered) -> None:
        """Note what else is known of earlier messages. Who knows of any never takes a missing position for a first start."""
        self.delivered = self.delivered.with_those(delivered)

    def is_first_start(self, saved: Saved) -> bool:
        """Return True if nothing that is known so far speaks of an earlier message or position."""
        return saved.position is None and not saved.has_lost_position(self.delivered)

    @property
    def is_a_workers(self) -> bool:
        """True for a worker: another name in the place of its own means that it has lost the watcher."""
        return self._command is None

    def before_claim(self, saved: Saved, now: float) -> None:
        """Look at what stands there before our name does; `now` is a monotonic time. Errors: those of `judge`; TakenOver for a
        command that has to wait for another one."""
        self.learn(saved.delivered)
        self._was_claimed = self._claimed
        if self._command is None:
            self.judge(saved, now)
        elif saved.stamp:
            self._live = saved.stamp.live
            step, self._patience = as_command(saved.stamp, self._command, self._patience, now)
            if step is NextStep.WAIT:
                raise _taken_over(saved.stamp)

    def after_claim(self, saved: Saved) -> None:
        """Look whose position stands there now that our name does. A command may have come and gone between the look before and our
        claim. Errors: TakenOver for such a command, once, so that a worker that was the owner is told of it."""
        known, self._written = (self._written, self._patience.newest), saved.written
        if self._was_claimed and saved.written and saved.written.command and saved.written not in known:
            raise _taken_over(saved.written)

    def judge(self, saved: Saved, now: float) -> None:
        """Compare a worker's name with the one that stands there. Before ours stood there once, only a command that has come since
        the first look is told of, and waited for. `now` is a monotonic time. Errors: those of `check`."""
        if self._claimed:
            self.check(saved, now)
        elif not self._has_looked:
            self._has_looked, self._patience = True, Patience(saved.stamp, now)
        elif saved.stamp and saved.stamp.command:
            self.check(saved, now)

    def check(self, saved: Saved, now: float) -> None:
        """Compare the name that stands there with ours; `now` is a monotonic time.

        Errors: NotOwner for another worker's name; PositionLost if there is none; TakenOver for a command's name, as long as the
        worker has to wait, and at least once, so that it is told of.
        """
        if saved.stamp is None:
            raise position_gone(self._settings)
        before = self._patience
        step, self._patience = as_fenced_worker(saved.stamp, self._owner, before, now)
        if step is NextStep.END:
            raise self._lost_to(saved.stamp)
        if step is NextStep.WAIT or self._patience != before:
            raise _taken_over(saved.stamp)

    def position(self, saved: Saved) -> Position:
        """Return the position to go on from, in our name. Errors: PositionLost, ConfigurationError."""
        if saved.has_lost_position(self.delivered):
            raise position_gone(self._settings)
        self.learn(saved.delivered)
        position = saved.position or Position(self._settings.database, self._owner)
        check_database(self._settings, position)
        return replace(position, owner=self._owner, last_gap_at=self.delivered.last_gap_at)

    def position_anew(self, last: Snapshot | None) -> Position:
        """Return the position of a watcher whose own is lost: without a token, and with a sequence number that was never used.

        `last` is the snapshot that still stands there. One that was under way is part of the position, so that its end is told.
        """
        known, snapshot = self.delivered, last or self.delivered.snapshot
        return Position(
            self._settings.database,
            self._owner,
            sequence=counted_anew(known.sequence),
            last_gap_at=known.last_gap_at,
            snapshot=None if snapshot and snapshot.is_over else snapshot,
        )

    def committed(self, position: Position) -> None:
        """Note the last position that is committed."""
        self.delivered = delivered_up_to(position)

    def claim_text(self, now: datetime) -> bytes:
        """Write our claim as text, with what we know of earlier messages. With a lease it is active from its first claim on."""
        if self._settings.high_availability and self._command is None:
            self._active_since = self._active_since or iso(now)
        wait_seconds = COMMAND_SECONDS if self._command else 0
        return dump_claim(Stamp(self._owner, self._live, self._command, wait_seconds, self.delivered, self._active_since))

    def position_text(self, position: Position) -> bytes:
        """Write a position as text, signed by us."""
        return dump(position, live=self._live, command=self._command, active_since=self._active_since)

    def _lost_to(self, stamp: Stamp) -> NotOwner:
        return NotOwner(
            f"Another worker has taken over this watcher: {stamp.owner}.",
            hint=f"Only one worker may use {self._settings.kafka_client_id}. Stop the other, then start this one.",
            foreigner="" if stamp.active_since else str(stamp.owner),
        )


def _taken_over(stamp: Stamp) -> TakenOver:
    """Make the error that says what a command does or has done."""
    what = stamp.command.what if stamp.command else ""
    by = f"by {stamp.owner}; the stream goes on after it"
    if stamp.wait_seconds:
        return TakenOver(f"a command is at work: {what}, {by}")
    return TakenOver(f"a command is done: {what}, {by}", done=what)


def counted_anew(last: int) -> int:
    """Return the number to count on from if the last sequence number is about `last`."""
    return ((last + UNKNOWN_COUNT) // NEW_COUNT + 1) * NEW_COUNT


def position_gone(settings: Settings) -> PositionLost:
    """Make the error for a watcher that has delivered before and has no position."""
    return PositionLost(
        f"This watcher has delivered before, but {settings.position_topic} holds no position.",
        hint="Was the topic deleted? To lose nothing, go back to a time before that: "
        f"`watcherctl position rewind {settings.name} --at TIME`; what came since is delivered again. "
        f"Otherwise `watcherctl position reset {settings.name}` begins where start_from says, "
        'and on_position_lost = "restart" from now on; what came meanwhile is missing.',
    )


def check_database(settings: Settings, saved: Position) -> None:
    """Raise ConfigurationError if the position belongs to another database, or to several instead of one."""
    if saved.database == settings.database:
        return
    if ALL in (saved.database, settings.database):
        raise ConfigurationError(
            f"The saved position of {settings.kafka_client_id} belongs to {_owners(saved.database)}, not to "
            f"{_owners(settings.database)}.",
            hint="Give the new watcher a kafka_client_id of its own, and `watcherctl position set` the place where it begins.",
        )
    raise ConfigurationError(
        f"The saved position of {settings.kafka_client_id} belongs to database {saved.database}, not to {settings.database}.",
        hint="Give each database a kafka_client_id of its own.",
    )


def _owners(database: str) -> str:
    return "several databases" if database == ALL else f"database {database}"
