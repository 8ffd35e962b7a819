"""One step for each of the watchers that a command names, and the errors of those that fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from watcher.cli.exit_codes import CliExitCode
from watcher.config import Deployment, Settings, load
from watcher.errors import WatcherError, command_hint

VERSION = 1
"""The version of the document about several watchers. It goes up if a key is removed or changes its meaning, not for new keys."""


class Failures:
    """The errors of single watchers. Each is shown, and the others go on; `code` is the greatest exit code so far.

    For a command about one watcher, which `is_alone`, an error ends the command, as it does everywhere.
    """

    def __init__(self, *, is_alone: bool = False) -> None:
        self.code: int = CliExitCode.OK
        self.errors: dict[str, WatcherError] = {}
        self._is_alone = is_alone

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """End the block quietly if it fails for this watcher."""
        try:
            yield
        except WatcherError as error:
            if self._is_alone:
                raise
            click.echo(f"{name}: {error}", err=True)
            if hint := command_hint(error):
                click.echo(f"hint: {hint}", err=True)
            self.errors[name] = error
            self.note(error.exit_code)

    def note(self, code: int) -> None:
        """Count an exit code."""
        self.code = max(self.code, code)


def settings_of(deployment: Deployment, names: Iterable[str], failures: Failures) -> Iterator[Settings]:
    """Yield the settings of each watcher whose configuration has no fault."""
    loaded = load(deployment.conf_dir)
    for name in names:
        with failures.of(name):
            yield loaded.one(name)


def each_watcher(
    deployment: Deployment, names: Iterable[str], do: Callable[[Settings], int], failures: Failures | None = None
) -> int:
    """Do something to each watcher. An error is shown, and the others have their turn; returns the greatest exit code."""
    failures = failures or Failures()
    for settings in settings_of(deployment, names, failures):
        with failures.of(settings.name):
            failures.note(do(settings))
    return failures.code


def in_one_document(documents: Iterable[dict[str, Any]], failures: Failures) -> dict[str, Any]:
    """The document about several watchers: that of each, which names it as `watcher`, and an error for each that has failed."""
    failed = [
        {"watcher": name, "error": str(error), "hint": command_hint(error) or None, "exitCode": error.exit_code}
        for name, error in failures.errors.items()
    ]
    watchers = sorted([*documents, *failed], key=lambda document: str(document["watcher"]))
    return {"version": VERSION, "exitCode": failures.code, "watchers": watchers}
