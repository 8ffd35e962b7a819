"""`watcherctl init`."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from shlex import quote

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
"""The files in `watcher/starter/`. A checkout has the same files at its top, but its owner may have put passwords into those."""

GITIGNORE = """\
# What watchers write while they run.
/run/
/log/
# Data of `watcherctl sandbox --keep`.
/sandbox/
# .env files often hold passwords.
/conf.d/*.env
"""


@click.command()
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(path_type=Path, file_okay=False))
def init(directory: Path) -> None:
    """Write a commented conf.d, supervisor/, docker-compose.yml and .gitignore to start from.

    The files are written to DIR, by default the current directory. Existing files are left unchanged.
    """
    for name in STARTER_FILES:
        write_new(directory / name, starter_file(name).read_bytes())
    write_new(directory / ".gitignore", GITIGNORE.encode())
    conf_dir = quote(str(directory / "conf.d"))
    click.echo(
        f"\nNext: edit {conf_dir}, then `watcherctl check --config {conf_dir}` and `watcherctl start --all --config {conf_dir}`.",
        err=True,
    )


def starter_file(name: str) -> Traversable:
    """One of `STARTER_FILES`."""
    return files(watcher) / "starter" / name


def write_new(path: Path, content: bytes) -> None:
    """Write `content` to `path`, unless something exists there. Print which of the two was the case."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with naming(path), path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        click.echo(f"exists   {path}")
    except OSError:  # a file cut short by a full disk would count as existing next time
        path.unlink(missing_ok=True)
        raise
    else:
        click.echo(f"written  {path}")
