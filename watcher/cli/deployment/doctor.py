"""`watcherctl doctor`."""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from watcher.cli.exit_codes import CliExitCode
from watcher.cli.options import names_argument, select, with_deployment
from watcher.cli.phases import phases
from watcher.cli.standard_output import reader_may_leave
from watcher.config import Deployment, load
from watcher.config.agent_settings import load_agent

if TYPE_CHECKING:
    from watcher.doctor.check import Outcome
    from watcher.doctor.examination import Examination

COLOURS = {"ok": "green", "warning": "yellow", "failed": "red", "notChecked": "bright_black"}
WHOLE_AREA = 2.0
"""The time limit for all checks of an area together, as a multiple of the limit for one check."""


@click.command()
@names_argument
@click.option("--problems", is_flag=True, help="Show only what there is to do something about.")
@click.option("--json", "json_", is_flag=True, help="One JSON document; see docs/doctor.md.")
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(min=0.1),
    default=8.0,
    show_default=True,
    metavar="S",
    help="How many seconds one check may take; all checks of an area together may take twice as long.",
)
@with_deployment
def doctor(deployment: Deployment, names: tuple[str, ...], problems: bool, json_: bool, seconds: float) -> int:
    """Check workers and all that they need: configuration, this host, MongoDB, Kafka, positions. Say what to do about problems.

    Checks all watchers, unless NAMEs or globs are given. Shows those that share a server together. They may run or not: nothing is
    changed, no message is written, and no worker is disturbed.

    \b
    Exit codes: 0 no check failed, 1 a check failed, 4 no such watcher,
    78 configuration fault.
    """
    loaded = load(deployment.conf_dir, ask_drivers=True)
    selected = select(names, loaded.names)

    from watcher.doctor.configuration import Here
    from watcher.doctor.examination import examine
    from watcher.doctor.runner import Limits

    here = Here(deployment, loaded, tuple(selected), agent=None if names else load_agent(deployment.conf_dir))
    with phases() if sys.stderr.isatty() else nullcontext(lambda *_: None) as progress:
        found = examine(here, Limits(seconds, WHOLE_AREA * seconds), progress)
    with reader_may_leave():
        _show(found, problems_only=problems, json_=json_)
    return _exit_code(found, faulty=bool(here.faults))


def _show(found: Examination, *, problems_only: bool, json_: bool) -> None:
    from watcher.doctor.report import MARKS, PLAIN_MARKS, as_json, lines

    if json_:
        click.echo(json.dumps(as_json(found), indent=2))
        return
    marks = MARKS if _encodable("".join(MARKS.values())) else PLAIN_MARKS
    for line in lines(found, marks, _paint, problems_only=problems_only):
        click.echo(line, color=False if os.environ.get("NO_COLOR") else None)


def _paint(outcome: Outcome, text: str) -> str:
    return click.style(text, fg=COLOURS[outcome])


def _encodable(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return False
    return True


def _exit_code(found: Examination, *, faulty: bool) -> CliExitCode:
    from watcher.doctor.check import Outcome

    if faulty:
        return CliExitCode.CONFIGURATION
    return CliExitCode.FAILED if found.count(Outcome.FAILED) else CliExitCode.OK
