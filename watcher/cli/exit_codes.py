"""Exit codes of watcherctl's commands. A worker's own are in `watcher.errors`; those from 65 up mean the same here."""

from __future__ import annotations

from enum import IntEnum

import click


class CliExitCode(IntEnum):
    """What watcherctl tells the shell."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_RUNNING = 3
    UNKNOWN_NAME = 4
    UNHEALTHY = 5
    NO_SUPERVISORD = 7
    NOT_PERMITTED = 77
    CONFIGURATION = 78
    TIMED_OUT = 124
    INTERRUPTED = 130


class UnknownName(click.ClickException):
    """No watcher has that name."""

    exit_code = CliExitCode.UNKNOWN_NAME
