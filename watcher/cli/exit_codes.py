"""Exit codes of watcherctl's commands. A worker's own codes are in `watcher.errors`. From 65 up the codes mean the same in both."""

from __future__ import annotations

from enum import IntEnum

import click


class CliExitCode(IntEnum):
    """The exit codes of watcherctl."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_RUNNING = 3
    UNKNOWN_NAME = 4
    UNHEALTHY = 5
    SNAPSHOT_ABORTED = 6
    NO_SUPERVISORD = 7
    NOT_PERMITTED = 77
    CONFIGURATION = 78
    TIMED_OUT = 124
    INTERRUPTED = 130


class UnknownName(click.ClickException):
    """No watcher has that name."""

    exit_code = CliExitCode.UNKNOWN_NAME
