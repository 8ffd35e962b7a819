"""`watcherctl init`."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

import watcher
from watcher.private import naming

STARTER_FILES = (
    "conf.d/dashboard.toml",
    "conf.d/analytics.toml",
    "conf.d/defaults.toml",
    "conf.d/agent.toml",
    "supervisor/supervisord.conf",
    "docker-compose.yml",
)
"""What lies in `watcher/starter/`. A checkout has the same files at its top, but those are its owner's, with passwords perhaps."""

GITIGNORE = """\
# What watchers write while they run.
/run/
/log/
# .env files often hold passwords.
/conf.d/*.env
"""


@click.command()
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(path_type=Path, file_okay=False))
def init(directory: Path) -> None:
    """Write a commented conf.d, supervisor/, docker-compose.yml and .gitignore to start from.

    They go into DIR, or into this directory. A file that exists already is left as it is.
    """
    for name in STARTER_FILES:
        write_new(directory / name, starter_file(name).read_bytes())
    write_new(directory / ".gitignore", GITIGNORE.encode())
    conf_dir = directory / "conf.d"
    click.echo(
        f"\nNext: edit {conf_dir}, then `watcherctl check --config {conf_dir}` and `watcherctl start --all --config {conf_dir}`.",
        err=True,
    )


def starter_file(name: str) -> Traversable:
    """One of `STARTER_FILES`."""
    return files(watcher) / "starter" / name


def write_new(path: Path, content: bytes) -> None:
    """Write `content` to `path` and say so, unless something is there already: that is said instead."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with naming(path), path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        click.echo(f"exists   {path}")
    except OSError:  # what a full disk took a part of would count as written the next time
        path.unlink(missing_ok=True)
        raise
    else:
        click.echo(f"written  {path}")
