"""`watcherctl run`: one worker, or the fleet, in the foreground."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from watcher.cli.exit_codes import CliExitCode
from watcher.cli.options import complete_names, with_deployment
from watcher.config import Deployment, Settings, load_env_file, load_environment, load_one
from watcher.config.files.conf_dir import AGENT
from watcher.errors import ConfigurationError

URI_VARIABLES = ("MONGODB_URI", "MONGODB_URI_FILE")
"""Environment variables one of which tells that a watcher's settings are in the environment."""


@click.command()
@click.argument("name", required=False, shell_complete=complete_names)
@click.option("--env-file", type=click.Path(path_type=Path), metavar="FILE", help="A single watcher's .env, instead of a conf.d.")
@with_deployment
def run(deployment: Deployment, name: str | None, env_file: Path | None) -> int:
    """Run the watcher NAME in this terminal. supervisord runs this command.

    Without NAME, run the watcher of --env-file, else all watchers in conf.d under supervisord. If there is no conf.d, run one
    watcher from the environment variables (MONGODB_URI, KAFKA_BROKERS, ...). SIGTERM or Ctrl-C stops it after the current
    transaction.

    Exit codes: 0 stopped, 1 bug, 65 undeliverable event, 76 server cannot do this, 77 not authorised, 78 configuration,
    80 position lost, 81 another worker owns this watcher.
    """
    if name is None and env_file is None and deployment.conf_dir.is_dir():
        return _run_fleet(deployment)
    settings = _settings(deployment, name, env_file)

    from watcher.worker.worker import run_worker

    return run_worker(settings, deployment)


def _settings(deployment: Deployment, name: str | None, env_file: Path | None) -> Settings:
    if env_file is not None:
        return load_env_file(env_file, name)
    if name is not None:
        return load_one(deployment.conf_dir, name)
    if not os.environ.keys().isdisjoint(URI_VARIABLES):
        return load_environment()
    raise ConfigurationError(
        f"There is no {deployment.conf_dir}, and neither {' nor '.join(URI_VARIABLES)} in the environment.",
        hint="`watcherctl init` writes a conf.d to start from.",
    )


def _run_fleet(deployment: Deployment) -> int:
    from watcher.cli.fleet.common import choose, open_fleet
    from watcher.cli.fleet.log_view import LogView
    from watcher.fleet.foreground import run_fleet

    fleet = open_fleet(deployment)
    selection = choose(fleet, (), everything=True)
    selection.show_faults()
    if not selection.good:
        click.echo("nothing to run", err=True)
        return selection.code or CliExitCode.FAILED
    names = [*(settings.name for settings in selection.good), AGENT]
    view = LogView(names, as_json=not sys.stdout.isatty())
    return run_fleet(fleet, selection.good, view.show)
