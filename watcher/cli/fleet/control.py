"""Commands that change a fleet: start, stop, restart, enable, disable, apply and down, and ctl for supervisorctl itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from watcher.cli.exit_codes import CliExitCode
from watcher.cli.fleet.arrivals import wait_for_fleet, wait_for_workers, wait_option, worst
from watcher.cli.fleet.common import Selection, choose, load_watchers, show_each, with_own_fleet
from watcher.cli.fleet.outcomes import Outcomes, json_option
from watcher.cli.fleet.remarks import tell_as_before, tell_formats, tell_newly_watched, tell_not_shared, tell_overlaps
from watcher.cli.fleet.status import status
from watcher.cli.options import agreed, all_option, known_watchers, names_argument, select_to_change
from watcher.config.fault import configuration_error
from watcher.config.files.conf_dir import AGENT, watcher_names
from watcher.fleet.control import Fleet
from watcher.fleet.errors import NotRunning
from watcher.fleet.survey import ask

__all__ = ["apply", "ctl", "disable", "down", "enable", "restart", "start", "status", "stop"]


@click.command()
@names_argument
@all_option
@wait_option
@json_option
@with_own_fleet
def start(fleet: Fleet, names: Sequence[str], everything: bool, wait_seconds: float, json_: bool) -> int:
    """Start watchers, and supervisord first if necessary, and wait until they stream.

    --all leaves out disabled watchers. A watcher with a faulty configuration is reported, and the others start.
    """
    outcomes = Outcomes(as_json=json_)
    selection = choose(fleet, names, everything=everything)
    supervised = ask(fleet)
    _tell_left_out(selection, outcomes)
    outcomes.add_faults(selection, supervised.running)
    if not selection.good:
        click.echo("nothing to start", err=True)
        return outcomes.end(selection.code)
    idle = [each for each in selection.good if each.name not in supervised.running]
    tell_formats(fleet.formats_of(idle), outcomes)
    tell_overlaps(selection.watchers, idle, supervised, outcomes)
    tell_as_before(fleet, selection.good, supervised, outcomes)
    fleet.start(selection.good)
    code = wait_for_fleet(fleet, [settings.name for settings in selection.good], wait_seconds, outcomes)
    return outcomes.end(worst(selection.code, code))


def _tell_left_out(selection: Selection, outcomes: Outcomes) -> None:
    for name in selection.left_out:
        outcomes.tell(name, "left out, as it is disabled", result="leftOut", enabled=False)


@click.command()
@names_argument
@all_option
@json_option
@with_own_fleet
def stop(fleet: Fleet, names: Sequence[str], everything: bool, json_: bool) -> int:
    """Stop watchers. Each finishes its current batch first. supervisord keeps running."""
    supervised = ask(fleet).watchers
    known = sorted({*supervised, *watcher_names(fleet.deployment.conf_dir)}) or known_watchers(fleet.deployment)
    chosen = select_to_change(names, known, everything=everything)
    if running := [name for name in chosen if name in supervised]:
        fleet.stop(running)
    outcomes = Outcomes(as_json=json_)
    outcomes.add(chosen, "stopped")
    return outcomes.end(CliExitCode.OK)


@click.command()
@names_argument
@all_option
@wait_option
@click.option("--rolling", is_flag=True, help="One after the other; ends at the first that does not stream.")
@json_option
@with_own_fleet
def restart(fleet: Fleet, names: Sequence[str], everything: bool, wait_seconds: float, rolling: bool, json_: bool) -> int:
    """Stop watchers and start them again, with their current settings."""
    outcomes = Outcomes(as_json=json_)
    selection = choose(fleet, names, everything=everything)
    supervised = ask(fleet)
    _tell_left_out(selection, outcomes)
    outcomes.add_faults(selection, supervised.running)
    if not selection.good:
        return outcomes.end(selection.code)
    tell_formats(fleet.formats_of(selection.good), outcomes)
    tell_overlaps(selection.watchers, selection.good, supervised, outcomes)
    *first, last = [[settings] for settings in selection.good] if rolling else [list(selection.good)]
    for step in first:
        fleet.restart(step)
        code = wait_for_workers(fleet, [settings.name for settings in step], wait_seconds, outcomes)
        if code is not CliExitCode.OK:
            return outcomes.end(worst(selection.code, code))
    fleet.restart(last)
    code = wait_for_fleet(fleet, [settings.name for settings in last], wait_seconds, outcomes)
    return outcomes.end(worst(selection.code, code))


@click.command()
@names_argument
@all_option
@with_own_fleet
def enable(fleet: Fleet, names: Sequence[str], everything: bool) -> int:
    """Let watchers start with supervisord and with `start --all`. This starts none of them."""
    chosen = select_to_change(names, known_watchers(fleet.deployment), everything=everything)
    fleet.enable(chosen)
    show_each(chosen, "enabled")
    return CliExitCode.OK


@click.command()
@names_argument
@all_option
@with_own_fleet
def disable(fleet: Fleet, names: Sequence[str], everything: bool) -> int:
    """Keep watchers from starting with supervisord and with `start --all`. This stops none of them."""
    chosen = select_to_change(names, known_watchers(fleet.deployment), everything=everything)
    fleet.disable(chosen)
    show_each(chosen, "disabled")
    return CliExitCode.OK


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask, also if topics will hold two formats.")
@wait_option
@json_option
@with_own_fleet
def apply(fleet: Fleet, dry_run: bool, yes: bool, wait_seconds: float, json_: bool) -> int:
    """Make the running fleet match conf.d: start new watchers, restart changed ones, and stop removed ones.

    Watchers that did not change, or whose configuration is faulty, keep running. Stopped watchers stay stopped. If a watcher that
    runs already is to write in another format or to other topics, this asks first.
    """
    loaded = load_watchers(fleet)
    if loaded.general:
        raise configuration_error(loaded.general)
    planned = fleet.apply(loaded.watchers.values(), loaded.broken.keys(), dry_run=True)
    outcomes = Outcomes(as_json=json_)
    tell_formats(planned.formats, outcomes)
    starting = [each for each in loaded.watchers.values() if each.name in planned.started]
    tell_overlaps(loaded.watchers.values(), starting, ask(fleet), outcomes)
    if planned.formats and not dry_run and not yes and not agreed():
        click.echo("nothing was changed", err=True)
        return outcomes.end(CliExitCode.FAILED)
    changes = planned if dry_run else fleet.apply(loaded.watchers.values(), loaded.broken.keys())
    for word in ("added", "changed", "removed", "unchanged"):
        outcomes.add(getattr(changes, word), word, "change")
    tell_newly_watched(changes.admitted, outcomes)
    selection = Selection.of(fleet, loaded, loaded.names)
    outcomes.add_faults(selection, ask(fleet).running)
    started = [name for name in changes.started if name != AGENT]
    if dry_run:
        return outcomes.end(selection.code)
    if not changes.started:
        tell_not_shared(fleet, outcomes)
        return outcomes.end(selection.code)
    return outcomes.end(worst(selection.code, wait_for_fleet(fleet, started, wait_seconds, outcomes)))


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="ARGS...")
@with_own_fleet
def ctl(fleet: Fleet, arguments: Sequence[str]) -> int:
    """Run supervisorctl on this fleet, as in `watcherctl ctl status`. Without ARGS, open its shell."""
    if not fleet.supervisord.is_running():
        raise NotRunning
    command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(fleet.deployment.supervisord_config), *arguments]
    os.execv(sys.executable, command)  # noqa: S606  # supervisorctl takes over the terminal


@click.command()
@with_own_fleet
def down(fleet: Fleet) -> int:
    """Stop all watchers and supervisord, and wait until they are gone."""
    click.echo("stopped" if fleet.down() else "nothing was running", err=True)
    return CliExitCode.OK
