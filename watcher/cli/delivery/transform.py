"""`watcherctl transform`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import click

from watcher.cli.exit_codes import CliExitCode
from watcher.cli.options import complete_collections, complete_names, select_one, with_deployment
from watcher.config import Deployment, load_one
from watcher.errors import ConfigurationError
from watcher.operations import ROW_OPERATIONS

if TYPE_CHECKING:
    from watcher.transform.function import Transform

DEFAULT_COUNT = 5

Outcome = dict[str, Any]
"""Result for one message: `sequence`, `before`, and either `after`, None for nothing, or `error`."""


@click.group()
def transform() -> None:
    """Try the function that changes a watcher's messages."""


@transform.command()
@click.argument("name", shell_complete=complete_names)
@click.option("-n", "--lines", type=click.IntRange(min=1), default=DEFAULT_COUNT, show_default=True, help="The last N messages.")
@click.option("--collection", metavar="C", shell_complete=complete_collections, help="Only messages about this collection.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, one message a line.")
@with_deployment
def test(deployment: Deployment, name: str, lines: int, collection: str | None, as_json: bool) -> int:
    """Run the transform of the watcher NAME on its latest messages, and show each before and after.

    Nothing is sent. Messages that are in Kafka have been through the transform that the watcher had then. Ctrl-C ends a function
    that does not return.

    \b
    Exit codes: 0 ok, also if nothing has been delivered; 1 the transform fails on a message, or Kafka does not answer,
    4 no such watcher, 77 not authorised, 78 configuration.
    """
    settings = load_one(deployment.conf_dir, select_one(deployment, name))
    if not settings.transform:
        raise ConfigurationError(f"{settings.name} has no transform.", hint='Set transform = "module:function".')

    from watcher.consumer.reading.filter import Filter
    from watcher.consumer.reading.reader import MessageReader
    from watcher.transform.function import Transform
    from watcher.transform.loading import load_function

    function = Transform(settings.transform, load_function(settings.transform, deployment.transform_dir))
    with MessageReader(settings, None) as reader:
        messages = [each.message for each in reader.last(lines, Filter(collection, ROW_OPERATIONS, None, None))]
    if not messages:
        click.echo("nothing has been delivered yet", err=True)
    outcomes = [outcome_of(function, message) for message in messages]
    for outcome in outcomes:
        click.echo(json.dumps(outcome, ensure_ascii=False) if as_json else _as_text(outcome))
    return CliExitCode.FAILED if any("error" in outcome for outcome in outcomes) else CliExitCode.OK


def outcome_of(function: Transform, message: Mapping[str, Any]) -> Outcome:
    """Run the transform on a message from Kafka."""
    from watcher.transform.function import TransformFailed

    before = {name: value for name, value in message.items() if name != "sequence"}
    outcome: Outcome = {"sequence": message["sequence"], "before": before}
    try:
        return outcome | {"after": function(deepcopy(before))}
    except TransformFailed as failed:
        cause = f": {failed.__cause__}" if failed.__cause__ else ""
        return outcome | {"error": f"{failed}{cause}"}


def _as_text(outcome: Outcome) -> str:
    before = outcome["before"]
    lines = [f"{outcome['sequence']} {before['operationType']} {before['collection']}", f"  before  {_text(before)}"]
    if "error" in outcome:
        return "\n".join([*lines, f"  error   {outcome['error']}"])
    after = outcome["after"]
    return "\n".join([*lines, f"  after   {'nothing' if after is None else 'the same' if after == before else _text(after)}"])


def _text(message: Mapping[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False)
