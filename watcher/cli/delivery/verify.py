"""`watcherctl verify`."""

from __future__ import annotations

import json
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from watcher.cli.exit_codes import CliExitCode
from watcher.cli.options import complete_databases, complete_names, select_one, with_deployment
from watcher.cli.phases import phases
from watcher.cli.since import Since
from watcher.config import Deployment, load_one

if TYPE_CHECKING:
    from watcher.verification.result import DocumentExample, VerificationResult

WORDS = {
    "missing": "in the source, and not in the topics",
    "extra": "in the topics, and not in the source",
    "different": "in both, with another content",
    "unsettled": "could not be settled while it changed",
    "older": "older than the topics, so without a message",
    "undated": "without a message, and an _id that does not tell since when; see --complete",
    "notComparable": "whose newest message does not hold the document",
    "notJudged": "that differ, as they may where exclude_operations or pipeline leave out changes",
}
"""The meaning of each verdict on a document, in the order of the report."""


@click.command()
@click.argument("name", shell_complete=complete_names)
@click.option(
    "--database",
    "databases",
    multiple=True,
    metavar="D",
    shell_complete=complete_databases,
    help="Only this database, by name or glob, of a watcher of several; can be given again.",
)
@click.option(
    "--collection",
    "collections",
    multiple=True,
    metavar="C",
    help="Only this collection; can be given again. With several databases also as database.collection.",
)
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Only N random documents of each collection.")
@click.option("--complete", is_flag=True, help="No document is older than the topics: each must have a message.")
@click.option(
    "--since", type=Since(), metavar="TIME", help="Documents made before TIME need no message: 30s, 10m, 2h, 1d, or an ISO time."
)
@click.option(
    "--wait",
    "patience_s",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="S",
    help="How many seconds to wait for the watcher to catch up.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_deployment
def verify(
    deployment: Deployment,
    name: str,
    databases: tuple[str, ...],
    collections: tuple[str, ...],
    sample: int | None,
    complete: bool,
    since: datetime | None,
    patience_s: float,
    as_json: bool,
) -> int:
    """Prove that the topics of the watcher NAME hold what its collections hold.

    Replays the topics into the last state of each document and compares it with the collections, while writes go on. A difference
    counts only if it remains after the watcher has caught up. Also checks `sequence` for gaps and repeats. Changes nothing in
    MongoDB or Kafka.

    \b
    Exit codes: 0 equal; 1 differences, or the comparison could not be made,
    4 no such watcher, 77 not permitted, 78 configuration.
    """
    if complete and since:
        raise click.UsageError("--complete says that no document is older, and --since that some are")
    settings = load_one(deployment.conf_dir, select_one(deployment, name))
    scope = settings.scope
    for database in databases:
        if not scope.may_have_database(database):
            raise click.BadParameter(f"'{database}' is not watched", param_hint="--database")
    for collection in collections:
        if not (scope.may_watch(collection) if scope.is_shared else scope.watches(collection)):
            raise click.BadParameter(f"'{collection}' is not watched", param_hint="--collection")

    from watcher.verification.verifier import Verifier

    with tempfile.TemporaryDirectory(prefix="watcher-verify-") as directory, phases() as progress:
        result = Verifier(
            settings,
            Path(directory),
            collections=collections,
            databases=databases,
            sample=sample,
            complete=complete,
            since=since,
            patience_s=patience_s,
            progress=progress,
        ).run()
    if as_json:
        click.echo(json.dumps(result.as_json(), indent=2))
    else:
        _print(result)
    return CliExitCode.OK if result.is_equal else CliExitCode.FAILED


def _print(result: VerificationResult) -> None:
    documents = sum(result.compared.values())
    click.echo(f"{documents} documents in {len(result.compared)} collections, {result.messages} messages, {result.seconds:.1f} s")
    _print_verdicts(result)
    _print_sequences(result)
    if result.reshaped:
        click.echo(f"dropped or renamed meanwhile, and not compared: {', '.join(sorted(result.reshaped))}")
    if result.stalled:
        click.echo("the watcher's position did not move past the comparison; does it run?")
    click.echo("equal" if result.is_equal else "not equal")


def _print_verdicts(result: VerificationResult) -> None:
    for verdict, named in result.examples.items():
        click.echo(f"{result.verdicts[verdict]} {WORDS[verdict]}")
        for example in named:
            _print_example(example)


def _print_example(example: DocumentExample) -> None:
    click.echo(f"  {example.collection} {example.key.decode()}")
    for change in example.changes:
        source, topics = ("nothing" if value is None else value for value in (change.left, change.right))
        click.echo(f"    {change.path or 'the document'}: source {source}, topics {topics}")


def _print_sequences(result: VerificationResult) -> None:
    numbers = result.sequences
    if numbers is None or numbers.first is None:
        click.echo("sequence: no messages")
        return
    parts = [f"{numbers.first} to {numbers.last}", f"{numbers.lost} missing", f"{numbers.repeated} repeated"]
    if numbers.removed:
        parts.append(f"{numbers.removed} removed by compaction")
    click.echo(f"sequence: {', '.join(parts)}")
    for first, last in numbers.gaps[:5]:
        click.echo(f"  missing {first}" + (f" to {last}" if last > first else ""))
    if result.gap_messages or result.dead_letters:
        click.echo(f"control messages: {result.gap_messages} gap, {result.dead_letters} deadLetter")
