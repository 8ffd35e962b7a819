"""`watcherctl transform`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from functools import partial
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

    Nothing is sent. Messages that are in Kafka have been through the transform that the watcher had then. A function that does not
    return within transform_seconds is interrupted, and the next message follows.

    \b
    Exit codes: 0 ok, also if nothing has been delivered; 1 the transform fails on a message, or does not return from one, or Kafka
    does not answer, 4 no such watcher, 77 not authorised, 78 configuration.
    """
    settings = load_one(deployment.conf_dir, select_one(deployment, name))
    if not settings.transform:
        raise ConfigurationError(f"{settings.name} has no transform.", hint='Set transform = "module:function".')

    from watcher.consumer.reading.filter import Filter
    from watcher.consumer.reading.reader import MessageReader
    from watcher.transform.function import Transform, purpose_of
    from watcher.transform.loading import load_function

    loaded = load_function(settings.transform, deployment.transform_dir)
    function = Transform(settings.transform, loaded, purpose_of=partial(purpose_of, settings))
    with MessageReader(settings, None) as reader:
        messages = [each.message for each in reader.last(lines, Filter(collection, ROW_OPERATIONS, None, None))]
    if not messages:
        click.echo("nothing has been delivered yet", err=True)
    code = CliExitCode.OK
    for message in messages:
        # Beforehand: should nothing but the end of the process help, this says which message that was.
        click.echo(_head(message, as_json), nl=not as_json)
        outcome = outcome_of(function, message, settings.transform_seconds)
        click.echo(_text(outcome).removeprefix(_head(message, as_json)) if as_json else _result(outcome))
        code = CliExitCode.FAILED if "error" in outcome else code
    return code


def outcome_of(function: Transform, message: Mapping[str, Any], seconds: float) -> Outcome:
    """Run the transform on a message from Kafka, for so many seconds at most."""
    from watcher.transform.encoder import as_written
    from watcher.transform.function import TransformFailed
    from watcher.transform.time_limit import TimedOut, time_limit

    before = _before(message)
    outcome: Outcome = {"sequence": message["sequence"], "before": before}
    given = deepcopy(before)
    try:
        with time_limit(seconds):
            after = function(given)
        return outcome | {"after": None if after is None else as_written(after)}
    except TransformFailed as failed:
        cause = f": {failed.__cause__}" if failed.__cause__ else ""
        return outcome | {"error": f"{failed}{cause}"}
    except TimedOut as timed_out:
        return outcome | {"error": f"did not return within {seconds:g} s; it was at {timed_out}"}


def _before(message: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != "sequence"}


def _head(message: Mapping[str, Any], as_json: bool) -> str:
    """Write the beginning of what is shown of a message; as JSON that is the beginning of its line."""
    if as_json:
        return _text({"sequence": message["sequence"], "before": _before(message)}).removesuffix("}")
    return f"{message['sequence']} {message['operationType']} {message['collection']}\n  before  {_text(_before(message))}"


def _result(outcome: Outcome) -> str:
    if "error" in outcome:
        return f"  error   {outcome['error']}"
    after = outcome["after"]
    return f"  after   {'nothing' if after is None else 'the same' if after == outcome['before'] else _text(after)}"


def _text(message: Mapping[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False)
