"""Common parts of the commands that change a watcher in Kafka, whether its worker runs or not."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from watcher.cli.exit_codes import CliExitCode
from watcher.config import Deployment, Settings, load_one
from watcher.errors import WatcherError, command_hint

if TYPE_CHECKING:
    from watcher.model import Delivered
    from watcher.position.look import Look


@contextmanager
def librdkafka_silent() -> Iterator[None]:
    """Keep librdkafka's log off the terminal. Our errors say the same."""
    handler = logging.NullHandler()
    library = logging.getLogger("librdkafka")
    library.addHandler(handler)
    try:
        yield
    finally:
        library.removeHandler(handler)


def delivered_before(deployment: Deployment, settings: Settings) -> Delivered:
    """The facts about earlier messages that the last worker on this host left in its status file."""
    from watcher.private import refusal
    from watcher.status.report import read_report
    from watcher.worker.previous_run import PreviousRun

    path = deployment.status_file(settings.name)
    if os.path.lexists(path) and not os.access(path, os.R_OK, effective_ids=True):
        text, fix = refusal(path)
        raise WatcherError(text, hint=fix)
    return PreviousRun.of(read_report(path), settings.kafka_client_id).delivered


@contextmanager
def beside_own_worker(deployment: Deployment, settings: Settings) -> Iterator[str]:
    """Hold the lock file; yields "". If a worker of this host has it, yields its process id."""
    from watcher.fleet.launch import check_ours, make_run_dir
    from watcher.private import refusal
    from watcher.worker.process import beside_worker

    check_ours(deployment)
    make_run_dir(deployment)
    lock = deployment.lock_file(settings.name)
    with ExitStack() as stack:
        try:
            worker = stack.enter_context(beside_worker(lock))
        except PermissionError as error:
            text, fix = refusal(lock)
            raise WatcherError(text, hint=fix) from error
        yield worker


def check_goes_on(settings: Settings, seen: Look, what: str) -> None:
    """Refuse to change what runs if its worker would not go on: it is not fenced, or is of a release that ends when it is. `what`
    is what would be changed."""
    if settings.delivery == "exactly-once" and seen.goes_on_by_itself:
        return
    why = "its worker is of a release that would end" if settings.delivery == "exactly-once" else 'delivery = "at-least-once"'
    raise WatcherError(
        f"{settings.name} runs; its {what} can be changed only while it is stopped ({why}).",
        hint=f"watcherctl stop {settings.name}",
    )


def each_watcher(deployment: Deployment, names: Iterable[str], do: Callable[[Settings], int]) -> int:
    """Do something to each watcher. An error is shown, and the others have their turn; returns the greatest exit code."""
    codes: list[int] = [CliExitCode.OK]
    for name in names:
        try:
            codes.append(do(load_one(deployment.conf_dir, name)))
        except WatcherError as error:
            click.echo(f"{name}: {error}", err=True)
            if hint := command_hint(error):
                click.echo(f"hint: {hint}", err=True)
            codes.append(error.exit_code)
    return max(codes)
