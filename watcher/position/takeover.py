"""Takes a watcher over for one change, while its worker runs or not, on whichever host.

A command writes as a worker does: under the watcher's transactional id, which fences the worker, and with a claim before it reads.
Then its change, the history and the position are one transaction. The fenced worker finds the command's name, opens again and goes
on. `kafka/succession.py` has the rules by which worker and commands wait for each other.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from watcher.config import Settings
from watcher.errors import Outage, PositionLost, TakenOver, WatcherError
from watcher.kafka.position import HISTORY_KEY, Command
from watcher.kafka.position_reader import PositionReader
from watcher.kafka.sink import KafkaSink
from watcher.log import iso
from watcher.model import Delivered, Message, Owner, Position, ResumeToken
from watcher.position.history import PositionChange, dump_history, load_history

ATTEMPTS = 3
ATTEMPTS_SECONDS = 30.0
"""Time within which the last attempt begins."""

WAIT_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Taken:
    """A watcher that a command has taken over: its position, and its history, oldest first.

    `lost`: the position is gone. Then it has no token, and counts on from a number that was never used.
    """

    position: Position
    lost: bool
    history: tuple[PositionChange, ...]
    command: Command

    @property
    def by(self) -> str:
        """The person who gives the command: user@host."""
        return f"{_user()}@{self.position.owner.host}"

    def entry(self, after: ResumeToken) -> PositionChange:
        """Make the history's entry for a change to the position `after`."""
        return PositionChange(iso(time.time()), self.by, self.command.what, self.position.token, after, self.command.id)

    def own_entry(self) -> PositionChange | None:
        """Return the entry of this very command, if an earlier attempt has been committed after all."""
        return next((entry for entry in self.history if entry.id == self.command.id), None)


@dataclass(frozen=True, slots=True)
class CommandChange:
    """All that a command writes, in one transaction; `records` are further records of the position topic, by their keys."""

    entry: PositionChange
    position: Position
    messages: Sequence[Message] = ()
    records: Mapping[bytes, bytes] = field(default_factory=dict)


MakeChange = Callable[[Taken], CommandChange]


def run_command(settings: Settings, delivered: Delivered, what: str, make_change: MakeChange) -> PositionChange:
    """Take the watcher over, write what `make_change` makes, and return its entry in the history; `what` tells people the reason.

    After an error whose outcome is unknown, the next attempt finds out. It takes over again, which ends or finishes the transaction
    before, and looks for the command's id in the history. So the change is made once, or not at all.

    Errors: Outage, whose text says whether anything was changed; those of `KafkaSink.open` but NotOwner; those of `make_change`,
    after which nothing is changed.
    """
    attempts = _Attempts(settings, delivered, Command(secrets.token_hex(8), what), make_change)
    begun = time.monotonic()
    while True:
        try:
            return attempts.once()
        except Outage as error:
            if not is_tried_again(settings, attempts.made, time.monotonic() - begun):
                raise _given_up(error, settings, outcome_is_known=attempts.outcome_is_known) from error
            time.sleep(WAIT_SECONDS)


def is_tried_again(settings: Settings, attempts: int, seconds: float) -> bool:
    """Return True if a command whose last attempt has failed makes another one, after so many within so many seconds.

    Without transactions there is just one: nothing would finish or end it, and parts of it would come twice.
    """
    return settings.delivery == "exactly-once" and attempts < ATTEMPTS and seconds < ATTEMPTS_SECONDS


class _Attempts:
    """The attempts of one command."""

    def __init__(self, settings: Settings, delivered: Delivered, command: Command, make_change: MakeChange) -> None:
        self._settings = settings
        self._delivered = delivered
        self._command = command
        self._make_change = make_change
        self.made = 0
        self.outcome_is_known = True

    def once(self) -> PositionChange:
        """Take over and make the change, unless an attempt before has done so. Errors: Outage."""
        self.made += 1
        owner = Owner(secrets.token_hex(8), socket.gethostname(), os.getpid())  # a new one, so that each claim is a new one
        with contextlib.closing(KafkaSink(self._settings, owner, self._delivered, self._command)) as sink:
            taken = self._take_over(sink)
            if done := taken.own_entry():
                _release(sink, taken)
                return done
            self.outcome_is_known = True
            try:
                change = self._make_change(taken)
            except WatcherError:
                _release(sink, taken)
                raise
            history = {HISTORY_KEY: dump_history([*taken.history, change.entry])}
            self.outcome_is_known = False
            sink.change(change.messages, change.position, {**change.records, **history})
        return change.entry

    def _take_over(self, sink: KafkaSink) -> Taken:
        position, lost = _opened(sink)
        history = load_history(PositionReader(self._settings, lambda _: None).read_history())
        return Taken(position, lost, history, self._command)


def _opened(sink: KafkaSink) -> tuple[Position, bool]:
    """Open the sink, after a wait for the command that may be at work; returns the position, and True if it is lost."""
    while True:
        try:
            return sink.open(), False
        except TakenOver:
            time.sleep(WAIT_SECONDS)
        except PositionLost:
            return sink.open_anew(), True


def _release(sink: KafkaSink, taken: Taken) -> None:
    """Write the position again, so that the worker need not wait for what our last claim announces."""
    if not taken.lost:
        with contextlib.suppress(Outage):
            sink.change((), taken.position, {})


def _given_up(error: Outage, settings: Settings, *, outcome_is_known: bool) -> Outage:
    known = "Nothing was changed."
    unknown = f"Kafka has not said whether the change was made: see `watcherctl position show {settings.name}`."
    text = f"{str(error).rstrip('.')}. {known if outcome_is_known else unknown}"
    return Outage(text, hint=error.hint, component=error.component, code=error.code)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())
