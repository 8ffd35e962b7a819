"""`watcherctl agent`: the fleet's own program."""

from __future__ import annotations

import click

from watcher.cli.exit_codes import CliExitCode
from watcher.cli.fleet.common import with_fleet
from watcher.config.fault import configuration_error
from watcher.config.files.conf_dir import AGENT
from watcher.fleet.control import Fleet


@click.command()
@with_fleet
def agent(fleet: Fleet) -> int:
    """Run the agent in this terminal: page, API, metrics and health on one port. supervisord runs this command.

    Its settings are in `conf.d/agent.toml`. If its port is taken, it keeps trying. SIGTERM or Ctrl-C stops it.

    Exit codes: 0 stopped, 1 bug, 77 port not permitted, 78 configuration fault.
    """
    if fleet.agent.settings is None:
        raise configuration_error(fleet.agent.faults)

    from watcher.agent.server import run_agent
    from watcher.log import logging_to, standard_output
    from watcher.worker.process import die_with_parent

    die_with_parent()
    with logging_to(standard_output(), "info", watcher=AGENT):
        run_agent(fleet, fleet.agent.settings)
    return CliExitCode.OK
