"""`watcherctl snapshot`: copying documents that are there already, while the changes go on."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from watcher.cli.delivery.each_watcher import each_watcher
from watcher.cli.delivery.snapshot_wait import ended
from watcher.cli.exit_codes import CliExitCode
from watcher.cli.options import (
    all_option,
    complete_collections,
    known_watchers,
    names_argument,
    select,
    select_to_change,
    with_deployment,
)
from watcher.cli.phases import phases
from watcher.config import Deployment, Settings
from watcher.config.fault import Refused
from watcher.config.mongodb.collections import is_glob
from watcher.config.mongodb.queries import check_query
from watcher.live_commands.beside_worker import librdkafka_silent
from watcher.live_commands.snapshots import Action, Done, Operation, T, alter_present, begin, look_at
from watcher.status.report import read_report


class Query(click.ParamType[str]):
    """A query as MongoDB Extended JSON."""

    name = "json"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from bson import json_util

        try:
            query = check_query(str(value))
            json_util.loads(query)
        except Refused as error:
            self.fail(f"{error}; {error.hint}", param, ctx)
        except Exception as error:  # noqa: BLE001  # json_util may raise any exception
            self.fail(f"is not MongoDB Extended JSON: {error}", param, ctx)
        return query


@click.group()
def snapshot() -> None:
    """Copy documents that are there already, while the changes go on.

    A snapshot is a part of the watcher's stream: each document comes once, in order with the changes. Its state is stored with the
    position in Kafka, so it survives restarts and moves between hosts. It is begun and changed while the watcher runs, on whichever
    host, or while it is stopped. With delivery = "at-least-once", stop the watcher first.

    \b
    Exit codes: 0 done; 1 refused, not done, or a server does not answer; 2 usage,
    4 no such watcher, 77 not permitted, 78 configuration.
    """


def changes(function: Callable[..., int]) -> Callable[..., int]:
    """Give a command the arguments for watchers whose snapshots it changes: it gets the deployment and the chosen `names`."""

    @names_argument
    @all_option
    @with_deployment
    @functools.wraps(function)
    def command(deployment: Deployment, names: Sequence[str], everything: bool, **kwargs: Any) -> int:
        chosen = select_to_change(names, known_watchers(deployment), everything=everything)
        return function(deployment, chosen, **kwargs)

    return command


@snapshot.command()
@click.option(
    "--collection",
    "collections",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_collections,
    help="Only these, by name or glob; may be repeated.",
)
@click.option("--filter", "query", type=Query(), metavar="JSON", help="Only documents that match, of one --collection.")
@click.option(
    "--operation",
    type=click.Choice(["insert", "replace"]),
    default="replace",
    show_default=True,
    help="The operationType of its messages; handlers of inserts may have effects that are wanted once.",
)
@click.option("--wait", is_flag=True, help="Wait until it is complete; exit code 1 if it does not become so.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@changes
def start(
    deployment: Deployment,
    names: Sequence[str],
    collections: Sequence[str],
    query: str | None,
    operation: Operation,
    wait: bool,
    as_json: bool,
) -> int:
    """Begin a snapshot of watchers, and print its id.

    Without --collection it copies what the settings snapshot_collections and [snapshot_filter] choose, by default all that is
    watched. A watcher has one snapshot at a time.
    """
    from watcher.cli.delivery.snapshot_view import SnapshotSeen, as_document

    if query and (len(collections) != 1 or is_glob(collections[0])):
        raise click.UsageError("--filter needs exactly one --collection, which is a plain name")
    begun: list[SnapshotSeen] = []

    def one(settings: Settings) -> CliExitCode:
        made = _told(settings, begin(deployment, settings, collections, query or "", operation))
        begun.append(SnapshotSeen(settings, made))
        if not as_json:
            click.echo(f"{settings.name}  started  {made.id}")
        return CliExitCode.OK

    code = each_watcher(deployment, names, one)
    if as_json:
        click.echo(json.dumps(as_document(begun), indent=2))
    if wait:
        ids = {seen.settings.name: seen.snapshot.id for seen in begun if seen.snapshot}
        code = max(code, each_watcher(deployment, ids, functools.partial(_wait, deployment, ids, as_json)))
    return code


@snapshot.command()
@changes
def pause(deployment: Deployment, names: Sequence[str]) -> int:
    """Let the snapshots rest until `resume`, also across restarts. Changes go on."""
    return _alter_each(deployment, names, "pause")


@snapshot.command()
@changes
def resume(deployment: Deployment, names: Sequence[str]) -> int:
    """Let paused snapshots go on where they were."""
    return _alter_each(deployment, names, "resume")


@snapshot.command()
@changes
def stop(deployment: Deployment, names: Sequence[str]) -> int:
    """End snapshots before they are complete. What was copied stays; consumers are told."""
    return _alter_each(deployment, names, "stop")


@snapshot.command()
@names_argument
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_deployment
def status(deployment: Deployment, names: Sequence[str], as_json: bool) -> int:
    """Show the snapshots under way, or else the last ones. Without NAME, show those of all watchers."""
    from watcher.cli.delivery.snapshot_view import SnapshotSeen, as_document, as_text, with_report

    found: list[SnapshotSeen] = []

    def one(settings: Settings) -> CliExitCode:
        with librdkafka_silent():
            seen, _ = look_at(deployment, settings)
        report = read_report(deployment.status_file(settings.name))
        found.append(with_report(SnapshotSeen(settings, seen.saved.newest_snapshot, seen.fault), report, datetime.now(UTC)))
        if not as_json:
            click.echo(as_text(found[-1]))
        return CliExitCode.FAILED if seen.fault else CliExitCode.OK

    code = each_watcher(deployment, select(names, known_watchers(deployment)), one)
    if as_json:
        click.echo(json.dumps(as_document(found), indent=2))
    return code


def _alter_each(deployment: Deployment, names: Sequence[str], action: Action) -> int:
    def one(settings: Settings) -> int:
        click.echo(f"{settings.name}  {_told(settings, alter_present(deployment, settings, action))}")
        return CliExitCode.OK

    return each_watcher(deployment, names, one)


def _told(settings: Settings, done: Done[T]) -> T:
    """The command's result; its note goes to stderr."""
    if done.note:
        click.echo(f"{settings.name}: {done.note}", err=True)
    return done.result


def _wait(deployment: Deployment, ids: dict[str, str], as_json: bool, settings: Settings) -> int:
    """Wait until the watcher's snapshot has ended. Beside JSON, words go to stderr."""
    with librdkafka_silent(), phases() as progress:
        last = ended(deployment, settings, ids[settings.name], progress)
    click.echo(f"{settings.name}  {last.state}  {last.documents:,} documents", err=as_json)
    return CliExitCode.OK if last.state == "completed" else CliExitCode.FAILED
