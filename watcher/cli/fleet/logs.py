"""`watcherctl logs`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import click

from watcher.cli.exit_codes import CliExitCode
from watcher.cli.fleet.log_view import LogView
from watcher.cli.options import known_watchers, names_argument, select, with_deployment
from watcher.cli.since import Since
from watcher.config import Deployment
from watcher.config.deployment import SUPERVISORD
from watcher.config.files.conf_dir import watcher_names
from watcher.fleet.launch import check_ours
from watcher.fleet.logs.follower import Follower
from watcher.fleet.logs.lines import LEVELS, NO_TIME, Line, Wanted, last_lines

DEFAULT_LINES = 100
_POLL_SECONDS = 0.2


@click.command()
@names_argument
@click.option("-f", "--follow", is_flag=True, help="Keep showing new lines, until Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=DEFAULT_LINES, show_default=True, help="The last N lines.")
@click.option(
    "--since", type=Since(), default=None, metavar="TIME", help="Only lines after TIME: 30s, 10m, 2h, 1d, or an ISO time."
)
@click.option("--level", type=click.Choice(LEVELS), default="debug", help="Only lines of this level or a more severe one.")
@click.option("--json", "json_", is_flag=True, help="The lines as they were logged, one JSON object each.")
@with_deployment
def logs(
    deployment: Deployment, names: Sequence[str], follow: bool, lines: int, since: datetime | None, level: str, json_: bool
) -> int:
    """Show the watchers' logs, merged by time. Shows all watchers, unless NAMEs or globs are given. The name supervisord means that
    of supervisord itself, which tells how processes ended, and agent that of the agent."""
    check_ours(deployment)
    files = _files(deployment, names)
    wanted = Wanted(level, since or NO_TIME)
    view = LogView(list(files), as_json=json_)
    # The follower is made before the last lines are read, so that no line in between is missed; Ctrl-C is the usual way to end it.
    with contextlib.closing(Follower(files)) as follower, contextlib.suppress(KeyboardInterrupt):
        shown = last_lines(files, lines, wanted)
        for line in shown:
            view.show(line)
        if not shown and lines:
            click.echo("nothing has been logged yet" if wanted == Wanted() else "no such line has been logged", err=True)
        if follow:
            _follow(follower, view, wanted, shown)
    return CliExitCode.OK


def _files(deployment: Deployment, names: Sequence[str]) -> dict[str, Path]:
    """The logs of the selected watchers, including watchers that are no longer in conf.d but still have a log. A glob never
    means that of supervisord."""
    known = sorted({*deployment.logs, *watcher_names(deployment.conf_dir)}) or [*known_watchers(deployment)]
    known += [SUPERVISORD] * (SUPERVISORD in names)
    return {name: deployment.log_file(name) for name in select(names, known)}


def _follow(follower: Follower, view: LogView, wanted: Wanted, shown: list[Line]) -> NoReturn:
    already = {(line.watcher, line.text) for line in shown}
    while True:
        for line in follower.read():
            if line in wanted and (line.watcher, line.text) not in already:
                view.show(line)
        already = set()
        time.sleep(_POLL_SECONDS)
