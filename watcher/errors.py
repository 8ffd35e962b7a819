"""Errors, grouped by what to do about them.

The type of an error is the decision. After an `Outage` the worker keeps trying. A `Stop` ends the worker with its exit code, and it
is not restarted. Anything else is a bug. Every error says in one sentence what happened, and in `hint` what to do about it.
"""

from __future__ import annotations

import errno
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of a worker; `watcherctl run` ends with the same ones (65 and up are not restarted)."""

    STOPPED = 0
    BUG = 1
    UNDELIVERABLE = 65
    UNSUPPORTED = 76
    NOT_PERMITTED = 77
    CONFIGURATION = 78
    POSITION_LOST = 80
    NOT_OWNER = 81


NOT_RESTARTED = tuple(code for code in ExitCode if code is not ExitCode.BUG)
"""The exit codes after which supervisord leaves a worker down."""


DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

KEEPS_TRYING = "The worker keeps trying."
"""Last sentence of the hint of an outage."""

QUOTA_HINT = "Kafka's quota for this principal or client id is used up; kafka-configs.sh shows and raises it."


class WatcherError(Exception):
    """An error with a message for people, and a hint that says what to do."""

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def command_hint(error: WatcherError) -> str:
    """Return the hint for somebody who has run a command. Unlike a worker, a command does not try again."""
    return error.hint.removesuffix(KEEPS_TRYING).rstrip()


class Outage(WatcherError):
    """MongoDB, Kafka or the schema registry is unavailable or in an unknown state: close all, wait, open again.

    `component` is "mongodb", "kafka" or "schema-registry". `code` is the name that the server or its driver gives the error: one of
    a known set, for counting.
    """

    def __init__(self, message: str, *, hint: str = "", component: str, code: str = "other") -> None:
        super().__init__(message, hint=hint)
        self.component = component
        self.code = code


class TakenOver(WatcherError):
    """A command of watcherctl has taken the watcher over for a moment: open again soon. Nothing is wrong.

    `done` is what it has done; empty while it is at work.
    """

    def __init__(self, message: str, *, done: str = "") -> None:
        super().__init__(message)
        self.done = done


class Stop(WatcherError):
    """Going on is impossible or unsafe until a person has acted."""


class UndeliverableEvent(Stop):
    """A change event cannot be delivered, and the policy is to fail."""

    exit_code = ExitCode.UNDELIVERABLE


class UnsupportedServer(Stop):
    """The server cannot do what a watcher needs: a standalone mongod, a release that is too old."""

    exit_code = ExitCode.UNSUPPORTED


class NotPermitted(Stop):
    """Credentials are wrong, or a right is missing."""

    exit_code = ExitCode.NOT_PERMITTED


class CredentialsRefused(NotPermitted):
    """User and password, or other credentials, are not accepted: they are wrong, or have been replaced. `component` as in
    `Outage`."""

    def __init__(self, message: str, *, hint: str = "", component: str) -> None:
        super().__init__(message, hint=hint)
        self.component = component


class ConfigurationError(Stop):
    """The configuration has a fault."""

    exit_code = ExitCode.CONFIGURATION


class NameTaken(ConfigurationError):
    """No message may go to a topic of this name: Kafka refuses it, or a watcher keeps its position there. Other names will do."""


class PositionLost(Stop):
    """MongoDB no longer holds the changes after the saved position, or the position itself is gone."""

    exit_code = ExitCode.POSITION_LOST


class PositionUnsafe(Stop):
    """The position would not be kept safely, so nothing is written at all."""

    exit_code = ExitCode.POSITION_LOST


class NotOwner(Stop):
    """Another worker has taken over this watcher. `foreigner` names it if it has no lease."""

    exit_code = ExitCode.NOT_OWNER

    def __init__(self, message: str, *, hint: str = "", foreigner: str = "") -> None:
        super().__init__(message, hint=hint)
        self.foreigner = foreigner
