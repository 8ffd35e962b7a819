"""`watcherctl status`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import click

from watcher.cli.exit_codes import CliExitCode
from watcher.cli.fleet.common import load_watchers, show_agent, with_fleet
from watcher.cli.fleet.status_view import errors, hindrances, marks, plain, rich_view, snapshots
from watcher.cli.options import names_argument, select
from watcher.fleet.control import Fleet
from watcher.fleet.status import AS_IT_SHOULD_BE, Row, WatcherState
from watcher.fleet.status_json import as_json
from watcher.fleet.survey import Survey, whole_survey

REFRESH_SECONDS = 1.0

Look = Callable[[], Survey]


@click.command()
@names_argument
@click.option("--watch", is_flag=True, help="Show it again and again until Ctrl-C.")
@click.option("--check", is_flag=True, help="Show only what is not as it should be; for scripts.")
@click.option("--json", "json_", is_flag=True, help="One JSON document; see docs/status-json.md.")
@with_fleet
def status(fleet: Fleet, names: Sequence[str], watch: bool, check: bool, json_: bool) -> int:
    """Show the state of the watchers. Shows all of them, unless NAMEs or globs are given.

    \b
    Exit codes: 0 all stream, 3 some do not run, 4 no such watcher, 5 some run but
    do not stream, 6 all stream, but a snapshot was aborted, 7 supervisord does not
    run. Disabled watchers may be down.
    """

    def look() -> Survey:
        return survey_of(fleet, names)

    if watch:
        return _watch(look, json_=json_)
    seen = look()
    if json_:
        click.echo(json.dumps(as_json(seen), indent=2))
    elif check:
        _show_troubles(seen)
    else:
        _show(seen)
    return exit_code(seen) or _exit_code_of_snapshots(seen)


def survey_of(fleet: Fleet, names: Sequence[str]) -> Survey:
    """Survey the watchers that match `names`. conf.d is read each time, so that --watch sees new ones. Raises UnknownName."""
    loaded = load_watchers(fleet)
    seen = whole_survey(fleet, loaded)
    chosen = set(select(names, [row.name for row in seen.rows]))
    return replace(seen, rows=tuple(row for row in seen.rows if row.name in chosen))


def exit_code(seen: Survey) -> CliExitCode:
    """The exit code for the worst state in the fleet, which snapshots do not change. A disabled watcher need not run."""
    if seen.supervisord_pid is None and not _all_run(seen.rows):
        return CliExitCode.NO_SUPERVISORD
    if not _all_run(row for row in seen.rows if row.state is not WatcherState.DISABLED):
        return CliExitCode.NOT_RUNNING
    return CliExitCode.OK if {row.state for row in seen.rows} <= AS_IT_SHOULD_BE else CliExitCode.UNHEALTHY


def _exit_code_of_snapshots(seen: Survey) -> CliExitCode:
    return CliExitCode.SNAPSHOT_ABORTED if any(row.has_aborted_snapshot for row in seen.rows) else CliExitCode.OK


def _all_run(rows: Iterable[Row]) -> bool:
    return all(row.is_running for row in rows)


def _show(seen: Survey) -> None:
    if sys.stdout.isatty():
        from rich.console import Console

        Console().print(rich_view(seen))
    else:
        click.echo(plain(seen))
    if seen.trouble:
        click.echo(seen.trouble, err=True)
    show_agent(seen.agent)


def _show_troubles(seen: Survey) -> None:
    if seen.trouble:
        click.echo(seen.trouble)
    for row in seen.rows:
        if row.state not in AS_IT_SHOULD_BE:
            click.echo(f"{row.name}: {row.state}")
    for line in snapshots(replace(seen, rows=tuple(row for row in seen.rows if row.has_aborted_snapshot))):
        click.echo(line)
    for line in hindrances(seen):
        click.echo(line)
    for line in marks(seen):
        click.echo(line)
    for line in errors(seen):
        click.echo(line)
    show_agent(seen.agent)


def _watch(look: Look, *, json_: bool) -> int:
    try:
        if json_ or not sys.stdout.isatty():
            _print_again_and_again(look, json_=json_)
        else:
            _redraw(look)
    except KeyboardInterrupt:
        pass
    return CliExitCode.OK


def _print_again_and_again(look: Look, *, json_: bool) -> None:
    """Print the status to a pipe each second: a JSON document on one line, or a table followed by an empty line."""
    while True:
        seen = look()
        click.echo(json.dumps(as_json(seen)) if json_ else plain(seen) + "\n")
        time.sleep(REFRESH_SECONDS)


def _redraw(look: Look) -> None:
    from rich.live import Live

    with Live(rich_view(look()), auto_refresh=False, screen=False) as live:
        while True:
            time.sleep(REFRESH_SECONDS)
            live.update(rich_view(look()), refresh=True)
