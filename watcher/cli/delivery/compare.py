"""`watcherctl compare`."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from watcher.cli.delivery.temporary import temporary_directory
from watcher.cli.exit_codes import CliExitCode
from watcher.cli.options import with_deployment
from watcher.cli.phases import phases
from watcher.cli.since import Since
from watcher.config import Deployment, Settings, load, load_one
from watcher.config.files.conf_dir import watcher_names
from watcher.log import iso
from watcher.terminal.message_text import printable

if TYPE_CHECKING:
    from watcher.verification.comparison import Comparison
    from watcher.verification.mapping import MappingFile
    from watcher.verification.old_side import OldSide

WORDS = {"different": "different", "onlyOld": "only in old", "onlyNew": "only in new"}
HEADINGS = ("COLLECTION", "OPERATION", "SAME", "DIFFERENT", "ONLY-OLD", "ONLY-NEW")


@click.command()
@click.option("--old", metavar="TOPIC[,TOPIC]", help="The old watcher's topics; default: all that the mapping names.")
@click.option("--new", "new", required=True, metavar="NAME|TOPIC[,TOPIC]", help="Our watcher, or its topics.")
@click.option(
    "--mapping",
    "mapping_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="How the old messages correspond to ours, in TOML.",
)
@click.option("--connector", metavar="PREFIX", help="Debezium's or MongoDB's connector with this topic.prefix; needs no mapping.")
@click.option("--since", type=Since(), metavar="TIME", help="Only changes since TIME: 30s, 10m, 2h, 1d, or an ISO time.")
@click.option(
    "--window",
    "window_s",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="S",
    help="How many seconds apart the two messages about one change may be.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_deployment
def compare(
    deployment: Deployment,
    old: str | None,
    new: str,
    mapping_file: Path | None,
    connector: str | None,
    since: datetime | None,
    window_s: float,
    as_json: bool,
) -> int:
    """Compare the messages of an old watcher, or of a connector, with ours, while both run.

    Two messages are about the same change if they have the same collection, operation and key, and are within the window. Then
    the fields that the mapping names are compared; of a connector's messages, everything.

    \b
    Exit codes: 0 both report the same; 1 they differ, or there is nothing to compare,
    2 usage, or no such topics; 77 not permitted, 78 configuration or mapping fault.
    """
    from watcher.verification.comparison import Request
    from watcher.verification.comparison import compare as compared
    from watcher.verification.errors import NoSuchTopics

    if (mapping_file is None) == (connector is None) or (connector and old):
        raise click.UsageError("give --mapping, with or without --old; or else --connector")
    mapping = _chosen(mapping_file, old) if mapping_file else None
    settings, our_topics, watcher, named = _ours(deployment, new)
    old_side = _old_side(mapping, connector or "", settings)
    request = Request(settings, old_side, our_topics, watcher, since, window_s, named)
    try:
        with temporary_directory("watcher-compare-") as directory, phases() as progress:
            result = compared(request, directory, progress)
    except NoSuchTopics as error:
        option = "--new" if error.ours else "--connector" if connector else "--old" if old else "--mapping"
        raise click.BadParameter(str(error), param_hint=option) from error
    if as_json:
        click.echo(json.dumps(result.as_json(), indent=2))
    else:
        _print(result, "do not fit the mapping" if mapping else "are of neither connector")
    return CliExitCode.OK if result.agrees else CliExitCode.FAILED


def _old_side(mapping: MappingFile | None, connector: str, settings: Settings) -> OldSide:
    from watcher.consumer.connection import schema_reader
    from watcher.verification.old_side import ConnectorSide, MappedSide

    if mapping:
        return MappedSide(mapping)
    return ConnectorSide(connector, settings.scope, schema_reader(settings.schema_registry))


def _chosen(mapping_file: Path, old: str | None) -> MappingFile:
    """The mapping in the file, limited to the topics in `old`."""
    from watcher.verification.mapping import load_mapping

    mapping = load_mapping(mapping_file)
    if old is None:
        return mapping
    names = [name.strip() for name in old.split(",")]
    for name in names:
        if name not in mapping.topics:
            raise click.BadParameter(f"the mapping says nothing of '{name}'", param_hint="--old")
    return mapping.model_copy(update={"topics": {name: mapping.topics[name] for name in names}})


def _ours(deployment: Deployment, new: str) -> tuple[Settings, Callable[[str], bool], str | None, frozenset[str]]:
    """The settings for reaching Kafka, a test for our topics, the client id whose messages count (None means any), and the names of
    the topics if they were given."""
    from watcher.verification.records import topics_of

    known = watcher_names(deployment.conf_dir)
    if new in known or not known:
        settings = load_one(deployment.conf_dir, new)
        return settings, topics_of(settings), settings.kafka_client_id, frozenset()
    topics = frozenset(topic.strip() for topic in new.split(","))
    for settings in load(deployment.conf_dir).watchers.values():
        if any(map(topics_of(settings), topics)):
            return settings, topics.__contains__, None, topics
    raise click.BadParameter(f"'{new}' is neither a watcher nor a topic of one", param_hint="--new")


def _print(result: Comparison, unread: str) -> None:
    rows: list[tuple[str, ...]] = [HEADINGS]
    for (collection, operation), counts in sorted(result.counts.items()):
        rows.append((collection, operation, *(str(counts[name]) for name in ("same", *WORDS))))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    for row in rows:
        click.echo("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    for example in result.examples:
        moment = iso(example.time_ms / 1000)
        where = f", {example.topic}" if example.topic else ""
        document = f"{printable(example.collection)} {example.operation} {printable(example.key)}"
        click.echo(f"{WORDS[example.outcome]}: {document} at {moment}{where}")
        for change in example.changes:
            click.echo(f"  {change.path}: old {change.left or 'nothing'}, new {change.right or 'nothing'}")
    if result.absent:
        click.echo(f"Kafka has no topic {', '.join(map(printable, result.absent))}")
    if result.unread:
        click.echo(f"{result.unread} old messages {unread}")
    if result.outside:
        click.echo(f"{result.outside} without a counterpart were sent before both ran, or just now, and are not counted")
    click.echo("both told the same" if result.agrees else "they do not agree" if result.counts else "nothing to compare")
