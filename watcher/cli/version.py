"""`watcherctl version`."""

from __future__ import annotations

import platform
from importlib.metadata import version as version_of
from importlib.util import find_spec

import click

import watcher

LIBRARIES = ("confluent-kafka", "pymongo", "supervisor", "pydantic")


@click.command()
def version() -> None:
    """Show the versions of watcherctl, of Python, and of the libraries on which its behaviour depends."""
    click.echo(f"watcherctl {watcher.__version__}")
    click.echo(f"Python {platform.python_version()}")
    for library in LIBRARIES:
        click.echo(f"{library} {version_of(library)}")
    compiled = find_spec("watcher.messages.serializations._bson_json") is not None
    click.echo("messages are made in " + ("C" if compiled else "Python, which is slower: _bson_json.c was not compiled"))
