"""Sections `[program:x]`, one for each watcher and one for the agent, for a supervisord that is already in use."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from watcher.config import Deployment
from watcher.config.files.conf_dir import AGENT
from watcher.fleet.commands import agent_command, worker_command
from watcher.fleet.programs import AGENT_START_SECONDS, Program, render
from watcher.generate.files import GeneratedFile


def program_files(names: Iterable[str], deployment: Deployment, user: str, *, agent: bool) -> list[GeneratedFile]:
    """Return `<name>.conf` for each program. Programs run as `user`, or if that is empty as supervisord's own user. Raises
    FleetError for odd paths.
    """
    command_of = worker_command(deployment)
    programs = [Program(name, command_of(name), deployment.log_file(name), user=user) for name in names]
    if agent:
        command, log_file = agent_command(deployment), deployment.log_file(AGENT)
        programs.append(Program(AGENT, command, log_file, user=user, start_seconds=AGENT_START_SECONDS))
    return [GeneratedFile(f"{program.name}.conf", render(program)) for program in programs]


def next_commands(directory: Path) -> tuple[str, ...]:
    """Return the steps that put the files in `directory` to use."""
    return (
        f"in supervisord.conf, below [include]: files = {directory.absolute()}/*.conf",
        "supervisorctl update",
    )
