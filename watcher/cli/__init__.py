"""watcherctl: the root command, and a room for each family of commands. Errors become messages and exit codes only here.

It may import every other part, but `commands` lists the commands without importing one. Thin commands belong here, and what several
of them share, such as options and exit codes. The work itself belongs to the parts that they call.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from shlex import quote
from typing import Any

import click

from watcher.cli.commands import COMMANDS
from watcher.cli.exit_codes import CliExitCode
from watcher.cli.lazy import LazyGroup
from watcher.cli.standard_output import make_streams_usable
from watcher.errors import DISK_FULL, WatcherError, command_hint

PROGRAM = "watcherctl"
DEBUG_VARIABLE = "WATCHER_DEBUG"


def _version(context: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    if is_wanted:
        from watcher.cli.version import version

        context.invoke(version, json_=False)
        context.exit()


@click.group(cls=LazyGroup, commands_by_module=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the same as version.")
def watcherctl() -> None:
    """Deliver every change in many MongoDB databases to Kafka, exactly once.

    \b
    A deployment is a directory with a conf.d/ that holds one file per watched database:
      watcherctl init          writes an example to start from
      watcherctl check         shows all faults in the configuration
      watcherctl doctor        checks that the host, MongoDB and Kafka are ready
      watcherctl start --all   starts a worker for each file, under supervisord
      watcherctl status        shows the state of the watchers
    """


def main() -> None:
    """Run the command given on the command line, and exit. This is the entry point of `watcherctl`."""
    make_streams_usable()
    sys.exit(run_command_line(sys.argv[1:]))


def run_command_line(arguments: list[str]) -> int:
    """Run a command line and return its exit code. Errors are shown on stderr, with their hint, and without a traceback.

    A command may return its exit code. If $WATCHER_DEBUG is set, errors are raised instead of shown.
    """
    try:
        return _exit_code(watcherctl.main(arguments, prog_name=PROGRAM, standalone_mode=False))
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return CliExitCode.INTERRUPTED
    except WatcherError as error:
        _raise_in_debug_mode()
        _show(str(error), command_hint(error))
        return error.exit_code
    except OSError as error:
        _raise_in_debug_mode()
        _show(f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error), _way_out(error))
        return CliExitCode.FAILED
    except Exception as error:  # noqa: BLE001  # the last resort: users see no traceback
        _raise_in_debug_mode()
        _show(f"unexpected {type(error).__name__}: {error}", f"this is a bug; {DEBUG_VARIABLE}=1 shows where")
        return CliExitCode.FAILED


def _way_out(error: OSError) -> str:
    if error.errno not in DISK_FULL:
        return ""
    place = quote(str(Path(error.filename or ".").parent))
    return f"make space: df -h {place}; df -i {place}"


def _exit_code(returned: Any) -> int:
    return returned if isinstance(returned, int) else CliExitCode.OK


def _raise_in_debug_mode() -> None:
    """Raise the current error again if the user asked for tracebacks."""
    if os.environ.get(DEBUG_VARIABLE):
        raise  # noqa: PLE0704  # only called while an error is being handled


def _show(message: str, hint: str) -> None:
    click.echo(f"{PROGRAM}: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
