"""`watcherctl position show`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from watcher.cli.delivery.each_watcher import Failures, each_watcher, in_one_document
from watcher.cli.exit_codes import CliExitCode
from watcher.cli.options import all_option, choose_to_show, names_argument, with_deployment
from watcher.config import Deployment, Settings
from watcher.errors import WatcherError
from watcher.live_commands.beside_worker import delivered_before, librdkafka_silent

if TYPE_CHECKING:
    from watcher.mongodb.timeline import Timeline
    from watcher.oplog import Oplog
    from watcher.position.look import Look


@click.command()
@names_argument
@all_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_deployment
def show(deployment: Deployment, names: Sequence[str], everything: bool, as_json: bool) -> int:
    """Show the positions of watchers. Also show the workers that wrote them, and the changes made by hand.

    A watcher whose position cannot be shown is named, and the others come all the same. The exit code is the greatest of all.
    """
    chosen = choose_to_show(deployment, names, everything=everything)

    from watcher.cli.delivery.position_view import as_document, as_text
    from watcher.mongodb.timeline import Timeline
    from watcher.position.look import look

    documents: list[dict[str, Any]] = []

    def one(settings: Settings) -> int:
        with librdkafka_silent():
            seen = look(settings, delivered_before(deployment, settings))
        seen, now, oplog = _ask_mongodb(Timeline(settings), seen, "" if chosen.is_alone else f"{settings.name}: ")
        if as_json:
            documents.append(as_document(settings, seen, now, oplog))
        else:
            click.echo(as_text(settings, seen, now, oplog))
        return CliExitCode.FAILED if seen.fault else CliExitCode.OK

    failures = Failures(is_alone=chosen.is_alone)
    each_watcher(deployment, chosen.names, one, failures)
    if as_json:
        click.echo(json.dumps(documents[0] if chosen.is_alone else in_one_document(documents, failures), indent=2))
    return failures.code


def _ask_mongodb(timeline: Timeline, seen: Look, prefix: str) -> tuple[Look, int | None, Oplog | None]:
    """Ask MongoDB for its present time, in seconds since 1970, for its oplog, and whether it can continue from the position.

    If it cannot, the returned look has a fault. If MongoDB does not answer, time and oplog are None, and what is in Kafka is shown
    all the same; the error is on stderr, after `prefix`.
    """
    from watcher.model import token_seconds
    from watcher.mongodb.timeline import PositionRefused

    try:
        now, oplog = token_seconds(timeline.now()), timeline.oplog()
        if seen.token and not seen.fault:
            timeline.after(seen.token)
    except PositionRefused as error:
        return replace(seen, fault=str(error), hint=error.hint), now, oplog
    except WatcherError as error:
        click.echo(f"{prefix}{error}", err=True)
        return seen, None, None
    return seen, now, oplog
