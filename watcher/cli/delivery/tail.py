"""`watcherctl tail`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from watcher.cli.delivery.each_watcher import Failures, settings_of
from watcher.cli.options import (
    all_option,
    choose_to_show,
    complete_collections,
    complete_databases,
    names_argument,
    with_deployment,
)
from watcher.cli.since import Since
from watcher.cli.standard_output import reader_may_leave
from watcher.config import Deployment
from watcher.operations import OPERATIONS
from watcher.terminal.message_text import printable

if TYPE_CHECKING:
    from watcher.cli.delivery.tail_lines import Show
    from watcher.cli.delivery.tails import Found, Tails

DEFAULT_COUNT = 10
NAMED_COLLECTIONS = 20


@click.command()
@names_argument
@all_option
@click.option("-f", "--follow", is_flag=True, help="Keep showing new messages, until Ctrl-C.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=None,
    show_default=f"{DEFAULT_COUNT}, with --since all",
    help="The last N messages of all.",
)
@click.option(
    "--database",
    metavar="D",
    shell_complete=complete_databases,
    help="Only messages about this database, by name or glob, of a watcher of several.",
)
@click.option(
    "--collection",
    metavar="C",
    shell_complete=complete_collections,
    help="Only messages about this collection; also as database.collection.",
)
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
@click.option("--key", metavar="K", help="Only messages about this _id: as text, as JSON of any dialect, or as the whole key.")
@click.option("--since", type=Since(), metavar="TIME", help="Only changes since TIME: 30s, 10m, 2h, 1d, or an ISO time.")
@click.option("--json", "json_", is_flag=True, help="The messages as they lie in Kafka, one a line; so too when piped.")
@with_deployment
def tail(
    deployment: Deployment,
    names: Sequence[str],
    everything: bool,
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
    """Show the messages that watchers have delivered, read back in order from all their topics in Kafka.

    Only committed messages are shown. This leaves nothing behind in Kafka: no consumer group and no offsets. With globs, several
    NAMEs or --all, messages are merged by the time of their arrival, and each line begins with the watcher's name; as JSON it is
    {"watcher": …, "message": …}. A watcher that cannot be read is named, and the others are shown.

    \b
    Exit codes: 0 ok, also if nothing has been delivered; 1 Kafka does not answer,
    2 usage, 4 no such watcher, 77 not authorised, 78 configuration. With several
    watchers, the greatest of them.
    """
    chosen = choose_to_show(deployment, names, everything=everything)

    from watcher.cli.delivery.tail_lines import json_lines, message_alone, terminal_lines, text_alone
    from watcher.cli.delivery.tails import Tails
    from watcher.consumer.reading.filter import Filter

    failures = Failures(is_alone=chosen.is_alone)
    watchers = list(settings_of(deployment, chosen.names, failures))
    wants = Filter(collection, operations, key, since, database)
    as_json = json_ or not sys.stdout.isatty()
    show = json_lines(is_alone=chosen.is_alone) if as_json else terminal_lines(watchers, is_alone=chosen.is_alone)
    with reader_may_leave(), Tails(watchers, wants, topics, failures) as tails:
        if since and lines is None:
            _show_some(tails, tails.all(), show, filtered=True)
        else:
            count = DEFAULT_COUNT if lines is None else lines
            found = tails.last(count, text_alone if as_json else message_alone)
            if count:
                _show_some(tails, found, show, filtered=wants != Filter())
        if follow:
            _follow(tails, show, is_alone=chosen.is_alone)
    return failures.code


def _show_some(tails: Tails, found: Iterable[Found], show: Show, *, filtered: bool) -> None:
    is_empty = True
    for name, delivered in found:
        show(name, delivered)
        is_empty = False
    if is_empty and tails.open:
        click.echo(_nothing(tails.collections) if filtered else "nothing has been delivered yet", err=True)


def _nothing(collections: list[str]) -> str:
    """The remark where messages were looked for and none was found."""
    if not collections:
        return "no such message has been delivered"
    more = f" and {len(collections) - NAMED_COLLECTIONS} more" if len(collections) > NAMED_COLLECTIONS else ""
    return f"no message matches; collections seen: {', '.join(map(printable, collections[:NAMED_COLLECTIONS]))}{more}"


def _follow(tails: Tails, show: Show, *, is_alone: bool) -> None:
    def tell(names: list[str], answers: bool) -> None:
        text = "Kafka answers again" if answers else "Kafka does not answer; waiting for it"
        click.echo(text if is_alone else f"{', '.join(names)}: {text}", err=True)

    try:
        for name, delivered in tails.follow(tell):
            show(name, delivered)
    except KeyboardInterrupt:
        return
