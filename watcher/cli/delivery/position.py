"""`watcherctl position`: showing and changing a watcher's position."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from watcher.cli.delivery.position_choice import Choose, Token, after, at_start, back_to, undo
from watcher.cli.delivery.position_show import show
from watcher.cli.exit_codes import CliExitCode
from watcher.cli.options import agreed, complete_names, select_one, with_deployment
from watcher.cli.since import Since
from watcher.config import Deployment, load_one
from watcher.live_commands.beside_worker import beside_own_worker, check_goes_on, delivered_before, librdkafka_silent

if TYPE_CHECKING:
    from watcher.model import ResumeToken


@dataclass(frozen=True, slots=True)
class How:
    """The options of a change."""

    undo: bool
    yes: bool
    dry_run: bool
    as_json: bool


@click.group()
def position() -> None:
    """Show the positions of watchers, or change one.

    The position is stored in Kafka, in the topic <kafka_client_id>.position. It can be changed while the watcher runs, on whichever
    host: the worker goes on at the new position by itself. With delivery = "at-least-once", stop the watcher first. The last 20
    changes are remembered, and --undo reverts the last one.

    \b
    Exit codes: 0 done; 1 refused, not done, or a server does not answer; 2 usage,
    4 no such watcher, 77 not permitted, 78 configuration.
    """


def changes(function: Callable[..., int]) -> Callable[..., int]:
    """Give a command the argument `name` and the options of a change, as `how`."""

    @click.argument("name", shell_complete=complete_names)
    @click.option("--undo", is_flag=True, help="Instead, restore the position before the last change, whichever command made that.")
    @click.option("-y", "--yes", is_flag=True, help="Do not ask.")
    @click.option("--dry-run", is_flag=True, help="Only show what would be done.")
    @click.option("--json", "as_json", is_flag=True, help="As JSON.")
    @with_deployment
    @functools.wraps(function)
    def command(deployment: Deployment, *args: Any, undo: bool, yes: bool, dry_run: bool, as_json: bool, **kwargs: Any) -> int:
        return function(deployment, *args, how=How(undo, yes, dry_run, as_json), **kwargs)

    return command


position.add_command(show)


@position.command()
@changes
@click.option("--at", "moment", type=Since(), metavar="TIME", help="30s, 10m, 2h or 1d ago, or an ISO time.")
def rewind(deployment: Deployment, name: str, how: How, moment: datetime | None) -> int:
    """Go back to TIME. The changes since then are delivered again, with new sequence numbers.

    TIME is in whole seconds, and must be within MongoDB's oplog.
    """
    if (moment is None) is not how.undo:
        raise click.UsageError("say either --at or --undo")
    return _change(deployment, name, how, back_to(moment) if moment else undo)


@position.command("set")
@changes
@click.argument("token", type=Token(), required=False)
@click.option(
    "--from",
    "others",
    multiple=True,
    metavar="OTHER",
    shell_complete=complete_names,
    help="Instead, continue where the watcher OTHER is; of several, where the one furthest behind is. Can be given again.",
)
def set_(deployment: Deployment, name: str, how: How, token: ResumeToken | None, others: tuple[str, ...]) -> int:
    """Continue after TOKEN. It is the eventId of a message, or a MongoDB resume token as JSON.

    MongoDB is asked first whether it can continue from there. --from is for databases that move from one watcher to another:
    nothing is lost, and what comes twice has the same eventId.
    """
    if (token is not None) + bool(others) + how.undo != 1:
        raise click.UsageError("say either TOKEN, --from or --undo")
    if others:
        return _set_from(deployment, name, how, others)
    return _change(deployment, name, how, after(token) if token else undo)


def _set_from(deployment: Deployment, name: str, how: How, others: tuple[str, ...]) -> int:
    settings = load_one(deployment.conf_dir, select_one(deployment, name))

    from watcher.cli.delivery.other_positions import beside, read_positions, remarks

    found = read_positions(deployment, settings.name, others)
    for remark in remarks(settings, found):
        click.echo(remark, err=True)
    return _change(deployment, name, how, beside(settings, found))


@position.command()
@changes
def reset(deployment: Deployment, name: str, how: How) -> int:
    """Start again where `start_from` says. There, `now` means the time of this command."""
    return _change(deployment, name, how, undo if how.undo else at_start)


def _change(deployment: Deployment, name: str, how: How, choose: Choose) -> int:
    """Choose the new position, ask for confirmation, and set it. If no worker runs on this host, none can start meanwhile."""
    settings = load_one(deployment.conf_dir, select_one(deployment, name))

    from watcher.cli.delivery.position_view import change_as_document, plan_as_text
    from watcher.model import token_seconds
    from watcher.mongodb.timeline import Timeline
    from watcher.position.change import change
    from watcher.position.look import look
    from watcher.status.report import move_position
    from watcher.worker.process import nudge

    with librdkafka_silent(), beside_own_worker(deployment, settings) as worker:
        delivered = delivered_before(deployment, settings)
        seen = look(settings, delivered)
        if worker:
            check_goes_on(settings, seen, "position")
        target, what = choose(seen, Timeline(settings))
        if seen.token == target:
            click.echo(f"{settings.name}: it is there already", err=True)
            return CliExitCode.OK
        click.echo(plan_as_text(settings, seen, target, what), err=True)
        if how.dry_run:
            return CliExitCode.OK
        if not how.yes and not agreed():
            click.echo("nothing was changed", err=True)
            return CliExitCode.FAILED
        made = change(settings, delivered, target, what)
        if worker:
            nudge(worker)
        else:
            with suppress(OSError):  # for example a full disk; the next worker corrects the status
                move_position(deployment.status_file(settings.name), token_seconds(made.after))
    click.echo(json.dumps(change_as_document(settings, made), indent=2) if how.as_json else f"{settings.name}  {what}  done")
    return CliExitCode.OK
