"""`watcherctl version`."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version as version_of
from importlib.util import find_spec

import click

import watcher

JSON_VERSION = 1
PARTS_IN_C = (
    "watcher._bson_elements",
    "watcher.kafka.transactions._enqueue",
    "watcher.messages.serializations._bson_json",
)
LIBRARIES = ("confluent-kafka", "pymongo", "supervisor", "pydantic")


@click.command()
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def version(json_: bool) -> None:
    """Show the versions of watcherctl, of Python, and of the libraries on which its behaviour depends."""
    versions = {"watcherctl": watcher.__version__, "Python": platform.python_version()}
    versions |= {library: version_of(library) for library in LIBRARIES}
    compiled = all(map(find_spec, PARTS_IN_C))
    if json_:
        click.echo(json.dumps({"version": JSON_VERSION, "versions": versions, "compiled": compiled}, indent=2))
        return
    for name, number in versions.items():
        click.echo(f"{name} {number}")
    click.echo("messages are made in " + ("C" if compiled else "Python, which is slower: the parts in C were not compiled"))
