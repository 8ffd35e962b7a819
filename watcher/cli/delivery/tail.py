"""`watcherctl tail`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import click

from watcher.cli.exit_codes import CliExitCode
from watcher.cli.options import complete_databases, complete_names, select_one, with_deployment
from watcher.cli.since import Since
from watcher.cli.standard_output import reader_may_leave
from watcher.config import Deployment, load_one
from watcher.operations import OPERATIONS

if TYPE_CHECKING:
    from watcher.consumer.delivered import DeliveredMessage, Message
    from watcher.consumer.reading.reader import MessageReader

DEFAULT_COUNT = 10
POLL_SECONDS = 0.1

Show = Callable[["DeliveredMessage"], None]
Wanted = Callable[["Message"], bool]


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option("-f", "--follow", is_flag=True, help="Keep showing new messages, until Ctrl-C.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=None,
    show_default=f"{DEFAULT_COUNT}, with --since all",
    help="The last N messages.",
)
@click.option(
    "--database",
    metavar="D",
    shell_complete=complete_databases,
    help="Only messages about this database, by name or glob, of a watcher of several.",
)
@click.option("--collection", metavar="C", help="Only messages about this collection; also as database.collection.")
@click.option(
    "--operation", "operations", type=click.Choice(OPERATIONS), multiple=True, metavar="O", help="Only these; can be given again."
)
@click.option(
    "--topic",
    "topics",
    multiple=True,
    metavar="T",
    help="Read this topic too, by name or glob, which only a transform names; can be given again.",
)
@click.option("--key", metavar="K", help="Only messages about the document with this _id: as text, or as JSON.")
@click.option("--since", type=Since(), metavar="TIME", help="Only changes since TIME: 30s, 10m, 2h, 1d, or an ISO time.")
@click.option("--json", "json_", is_flag=True, help="The messages as they lie in Kafka, one a line; so too when piped.")
@with_deployment
def tail(
    deployment: Deployment,
    name: str,
    follow: bool,
    lines: int | None,
    database: str | None,
    collection: str | None,
    operations: tuple[str, ...],
    topics: tuple[str, ...],
    key: str | None,
    since: datetime | None,
    json_: bool,
) -> int:
    """Show the messages that the watcher NAME has delivered, read back in order from all its topics in Kafka.

    Only committed messages are shown. This leaves nothing behind in Kafka: no consumer group and no offsets.

    \b
    Exit codes: 0 ok, also if nothing has been delivered; 1 Kafka does not answer,
    4 no such watcher, 77 not authorised, 78 configuration.
    """
    settings = load_one(deployment.conf_dir, select_one(deployment, name))

    from watcher.consumer.reading.filter import Filter
    from watcher.consumer.reading.reader import MessageReader

    wanted = Filter(collection, operations, key, since, database)
    nothing = "nothing has been delivered yet" if wanted == Filter() else "no such message has been delivered"
    show = _show_json if json_ or not sys.stdout.isatty() else _pretty(with_database=settings.scope.is_shared)
    with reader_may_leave(), MessageReader(settings, since, topics) as reader:
        if since and lines is None:
            _show_all(reader, wanted, show, nothing)
        else:
            _show_last(reader, DEFAULT_COUNT if lines is None else lines, wanted, show, nothing)
        if follow:
            _follow(reader, wanted, show)
    return CliExitCode.OK


def _show_last(reader: MessageReader, count: int, wanted: Wanted, show: Show, nothing: str) -> None:
    last = reader.last(count, wanted, shrink=_text_alone if show is _show_json else _message_alone)
    for delivered in last:
        show(delivered)
    if count and not last:
        click.echo(nothing, err=True)


def _text_alone(delivered: DeliveredMessage) -> DeliveredMessage:
    """Keep only what `_show_json` needs: a message may have megabytes, and would be in memory both as text and parsed."""
    return replace(delivered, message={"sequence": delivered.sequence})


def _message_alone(delivered: DeliveredMessage) -> DeliveredMessage:
    """Keep only what a line for people needs."""
    return replace(delivered, text=b"")


def _show_all(reader: MessageReader, wanted: Wanted, show: Show, nothing: str) -> None:
    """Show all wanted messages as they arrive: there may be more than fit into memory."""
    is_empty = True
    for delivered in reader.all(wanted):
        show(delivered)
        is_empty = False
    if is_empty:
        click.echo(nothing, err=True)


def _follow(reader: MessageReader, wanted: Wanted, show: Show) -> None:
    answers = True
    try:
        while True:
            for delivered in reader.poll(POLL_SECONDS):
                if wanted(delivered.message):
                    show(delivered)
            if reader.answers is not answers:
                answers = reader.answers
                click.echo("Kafka answers again" if answers else "Kafka does not answer; waiting for it", err=True)
    except KeyboardInterrupt:
        return


def _show_json(delivered: DeliveredMessage) -> None:
    sys.stdout.buffer.write(delivered.text + b"\n")
    sys.stdout.buffer.flush()


def _pretty(*, with_database: bool) -> Show:
    from rich.console import Console

    from watcher.terminal.message_line import rich_line

    console = Console(highlight=False)
    return lambda delivered: console.print(
        rich_line(delivered.message, with_database=with_database), no_wrap=True, overflow="ellipsis", crop=True
    )
