"""A `[program:x]` section per watcher, for a supervisord that somebody runs already."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from watcher.config import Deployment
from watcher.fleet.control import worker_command
from watcher.fleet.programs import Program, render
from watcher.generate.files import GeneratedFile


def program_files(names: Iterable[str], deployment: Deployment, user: str) -> list[GeneratedFile]:
    """`<name>.conf` for each. Workers run as `user`, or if that is empty as supervisord does. Errors: FleetError, for odd paths."""
    command_of = worker_command(deployment)
    return [
        GeneratedFile(f"{name}.conf", render(Program(name, command_of(name), deployment.log_dir / f"{name}.log", user=user)))
        for name in names
    ]


def next_commands(directory: Path) -> tuple[str, ...]:
    """What to do with the files in `directory`."""
    return (
        f"in supervisord.conf, below [include]: files = {directory.absolute()}/*.conf",
        "supervisorctl update",
    )
