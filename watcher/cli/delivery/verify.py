"""`watcherctl verify`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from watcher.cli.delivery.each_watcher import Failures, in_one_document, settings_of
from watcher.cli.delivery.temporary import temporary_directory
from watcher.cli.exit_codes import CliExitCode
from watcher.cli.options import (
    all_option,
    choose_to_show,
    complete_collections,
    complete_databases,
    names_argument,
    with_deployment,
)
from watcher.cli.phases import Progress, phases
from watcher.cli.since import Since
from watcher.config import Deployment, Settings

if TYPE_CHECKING:
    from watcher.verification.result import VerificationResult


@click.command()
@names_argument
@all_option
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
    shell_complete=complete_collections,
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
    names: Sequence[str],
    everything: bool,
    databases: tuple[str, ...],
    collections: tuple[str, ...],
    sample: int | None,
    complete: bool,
    since: datetime | None,
    patience_s: float,
    as_json: bool,
) -> int:
    """Prove that the topics of watchers hold what their collections hold.

    Replays the topics into the last state of each document and compares it with the collections, while writes go on. A difference
    counts only if it remains after the watcher has caught up. Also checks `sequence` for gaps and repeats. Changes nothing in
    MongoDB or Kafka. Several watchers come one after the other; one that cannot be verified is named, and the others come all the
    same.

    \b
    Exit codes: 0 equal; 1 differences, or the comparison could not be made, 2 usage,
    4 no such watcher, 77 not permitted, 78 configuration. With several watchers, the
    greatest of them.
    """
    if complete and since:
        raise click.UsageError("--complete says that no document is older, and --since that some are")
    chosen = choose_to_show(deployment, names, everything=everything)
    failures = Failures(is_alone=chosen.is_alone)
    watchers = _watching(list(settings_of(deployment, chosen.names, failures)), databases, collections)

    from watcher.cli.delivery.verify_view import of_all, report, report_of_several
    from watcher.verification.verifier import Verifier

    def one(settings: Settings, progress: Progress) -> VerificationResult:
        with temporary_directory("watcher-verify-") as directory:
            return Verifier(
                settings,
                directory,
                collections=collections,
                databases=databases,
                sample=sample,
                complete=complete,
                since=since,
                patience_s=patience_s,
                progress=progress if chosen.is_alone else _naming(settings.name, progress),
            ).run()

    results: list[VerificationResult] = []
    with phases() as progress:
        for settings in watchers:
            with failures.of(settings.name):
                results.append(one(settings, progress))
                failures.note(CliExitCode.OK if results[-1].is_equal else CliExitCode.FAILED)
                if not as_json and not chosen.is_alone:
                    click.echo(report_of_several(results[-1]))
    if as_json:
        documents = [result.as_json() for result in results]
        click.echo(json.dumps(documents[0] if chosen.is_alone else in_one_document(documents, failures), indent=2))
    else:
        click.echo(report(results[0]) if chosen.is_alone else of_all(results, failures.errors))
    return failures.code


def _watching(watchers: list[Settings], databases: Sequence[str], collections: Sequence[str]) -> list[Settings]:
    """Leave out the watchers that do not watch what was asked for, and say so. Raises BadParameter if that leaves none."""
    refusals = {settings.name: _unwatched(settings, databases, collections) for settings in watchers}
    refused = [refusal for refusal in refusals.values() if refusal]
    if refused and len(refused) == len(watchers):
        raise refused[0]
    for name, refusal in refusals.items():
        if refusal:
            click.echo(f"{name}: {refusal.message}", err=True)
    return [settings for settings in watchers if not refusals[settings.name]]


def _unwatched(settings: Settings, databases: Sequence[str], collections: Sequence[str]) -> click.BadParameter | None:
    scope = settings.scope
    for database in databases:
        if not scope.may_have_database(database):
            return click.BadParameter(f"'{database}' is not watched", param_hint="--database")
    for collection in collections:
        if not (scope.may_watch(collection) if scope.is_shared else scope.watches(collection)):
            return click.BadParameter(f"'{collection}' is not watched", param_hint="--collection")
    return None


def _naming(name: str, progress: Progress) -> Progress:
    """Return a progress that names the watcher."""
    return lambda phase, done, total: progress(f"{name}: {phase}", done, total)
