"""Commands that look at a fleet from outside: console, metrics, health."""

from __future__ import annotations

import json
import os
import sys
import webbrowser
from collections.abc import Sequence

import click

from watcher.agent.address import find
from watcher.cli.exit_codes import CliExitCode
from watcher.cli.fleet.common import load_watchers, with_fleet
from watcher.cli.fleet.status import exit_code, survey_of
from watcher.cli.options import names_argument
from watcher.config.fault import configuration_error
from watcher.fleet.control import Fleet
from watcher.fleet.errors import FleetError, NotRunning
from watcher.fleet.status import AS_IT_SHOULD_BE, WatcherState
from watcher.fleet.survey import Survey, whole_survey
from watcher.fleet.troubles import reason, slow_write_in_words
from watcher.terminal.message_text import printable

HEALTH_VERSION = 1
"""Version of the document of `health --json`."""


@click.command()
@click.option("--open/--no-open", "open_", default=None, help="Open it in a browser; default: on a desktop's terminal.")
@with_fleet
def console(fleet: Fleet, open_: bool | None) -> int:
    """Print the address of the fleet's page, and open it in a browser.

    Exits with 7 if supervisord does not run, and with 1 if it runs without the agent.
    """
    url = _url(fleet)
    click.echo(url)
    if _is_on_desktop() if open_ is None else open_:
        webbrowser.open(url)
    return CliExitCode.OK


def _url(fleet: Fleet) -> str:
    if url := find(fleet.deployment.address_file):
        return url
    if fleet.agent.faults:
        raise configuration_error(fleet.agent.faults)
    if not fleet.supervisord.is_running():
        raise NotRunning
    if not fleet.agent.wanted:
        raise FleetError(
            "this fleet has no agent: conf.d/agent.toml says enabled = false", hint="set it to true, then watcherctl apply"
        )
    raise FleetError("the agent does not listen", hint="watcherctl logs agent; watcherctl apply starts one that was never started")


def _is_on_desktop() -> bool:
    """True on a desktop's terminal. Elsewhere `webbrowser` would start a text browser in this terminal."""
    return sys.stdout.isatty() and bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())


@click.command()
@with_fleet
def metrics(fleet: Fleet) -> int:
    """Print all metrics in Prometheus' text format. They come from the agent, or from the workers' files if it does not run."""
    click.echo(_from_agent(fleet) or _from_files(fleet), nl=False)
    return CliExitCode.OK


def _from_agent(fleet: Fleet) -> str | None:
    from watcher.agent.client import get

    url = find(fleet.deployment.address_file)
    try:
        return get(url, "/metrics", fleet.agent.settings) if url else None
    except OSError:  # it is starting or ending, or its token has changed
        return None


def _from_files(fleet: Fleet) -> str:
    from watcher.agent.metrics.content import WorkerMetrics, fleet_metrics

    return fleet_metrics(whole_survey(fleet, load_watchers(fleet)), WorkerMetrics(fleet.deployment))


@click.command()
@names_argument
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@with_fleet
def health(fleet: Fleet, names: Sequence[str], json_: bool) -> int:
    """Report the health of the watchers in one line, for probes. Covers all watchers, unless NAMEs or globs are given.

    Asks supervisord and reads the workers' files, but never contacts MongoDB or Kafka.

    \b
    Exit codes: 0 all stream, 3 some do not run, 4 no such watcher, 5 some run but
    do not stream, 7 supervisord does not run. Disabled watchers may be down. An
    aborted snapshot is named, but no reason to fail: `status` has a code for it.
    A standby is well. A worker elsewhere without the lease is named too, and a
    write to Kafka that has been under way for ten seconds.
    """
    seen = survey_of(fleet, names)
    code = exit_code(seen)
    line = "; ".join(
        [_in_a_line(seen) if code else f"ok: {_streaming(seen)}", *_aborted(seen), *_foreigners(seen), *_slow_writes(seen).values()]
    )
    if json_:
        states = {row.name: row.state.replace(" ", "_") for row in seen.rows}
        line = json.dumps(
            {
                "version": HEALTH_VERSION,
                "ok": code is CliExitCode.OK,
                "exitCode": code,
                "text": line,
                "states": states,
                "slowWrites": [*_slow_writes(seen)],
            }
        )
    click.echo(line)
    return code


def _streaming(seen: Survey) -> str:
    count = sum(row.state is WatcherState.STREAMING for row in seen.rows)
    streaming = "1 watcher streams" if count == 1 else f"{count} watchers stream"
    standing_by = sum(row.state is WatcherState.STANDBY for row in seen.rows)
    return f"{streaming}, on standby: {standing_by}" if standing_by else streaming


def _aborted(seen: Survey) -> list[str]:
    return [f"the last snapshot of {row.name} was aborted" for row in seen.rows if row.has_aborted_snapshot]


def _foreigners(seen: Survey) -> list[str]:
    return [f"{printable(row.foreigner)} writes for {row.name} without a lease" for row in seen.rows if row.foreigner]


def _slow_writes(seen: Survey) -> dict[str, str]:
    """Say by name which watchers have a write to Kafka under way for long."""
    return {row.name: f"{row.name}: {text}" for row in seen.rows if (text := slow_write_in_words(row))}


def _in_a_line(seen: Survey) -> str:
    troubles = [f"{row.name} {row.state}: {printable(reason(row))}" for row in seen.rows if row.state not in AS_IT_SHOULD_BE]
    return "; ".join([seen.trouble] * bool(seen.trouble) + [" ".join(text.split()) for text in troubles])
