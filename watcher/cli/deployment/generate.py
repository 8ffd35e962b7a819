"""`watcherctl generate`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from watcher import __version__
from watcher.cli.options import with_deployment
from watcher.config import Deployment, Loaded, load
from watcher.config.agent_settings import DEFAULT_PORT, AgentSettings, load_agent
from watcher.config.fault import configuration_error
from watcher.private import DIRECTORY_MODE

if TYPE_CHECKING:
    from watcher.generate.files import GeneratedFile

IMAGE = f"database-watcher:{__version__}"


def _namespace(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    if name:
        from watcher.generate.kubernetes import NAMESPACE

        if not NAMESPACE.fullmatch(name):
            raise click.BadParameter("a namespace consists of lower-case letters, digits and -")
    return name


@click.command()
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Where the files go.")
@click.option("--systemd", is_flag=True, help="Units for systemd; into ./systemd unless --into says otherwise.")
@click.option("--fleet", is_flag=True, help="With --systemd: one unit for all, as `watcherctl start --all` runs them.")
@click.option("--kubernetes", is_flag=True, help="Manifests for Kubernetes; into ./kubernetes likewise.")
@click.option("--user", default="", metavar="NAME", help="Who the workers run as: supervisord's user, or for systemd `watcher`.")
@click.option("--image", default="", show_default=IMAGE, metavar="IMAGE", help="The image of the Deployments.")
@click.option(
    "--namespace", default="", callback=_namespace, metavar="NAME", help="The namespace in Kubernetes; default: kubectl's."
)
@with_deployment
def generate(
    deployment: Deployment,
    into: Path | None,
    systemd: bool,
    fleet: bool,
    kubernetes: bool,
    user: str,
    image: str,
    namespace: str,
) -> None:
    """Write files for your own supervisord, systemd or Kubernetes, to run the workers without `watcherctl start`.

    With --into alone, write supervisord program sections: one for each watcher and one for the agent. No file holds a secret.
    Unchanged files are not written again.
    """
    _refuse_at_odds(systemd=systemd, fleet=fleet, kubernetes=kubernetes, user=user, of_pods=image or namespace)
    target = "systemd" if systemd else "kubernetes" if kubernetes else ""
    directory = into or (Path(target) if target else None)
    if directory is None:
        raise click.UsageError("say --into DIR, --systemd or --kubernetes")
    loaded, agent = load(deployment.conf_dir, ask_drivers=True), load_agent(deployment.conf_dir)
    if faults := (*loaded.faults, *agent.faults):
        raise configuration_error(faults)
    with_agent = agent.wanted is not None
    match target:
        case "systemd" if fleet:
            _for_systemd_fleet(directory, deployment, user or "watcher")
        case "systemd":
            _for_systemd(directory, loaded, deployment, user or "watcher", agent=with_agent)
        case "kubernetes":
            _for_kubernetes(directory, loaded, agent.wanted, image or IMAGE, namespace)
        case _:
            _for_supervisord(directory, loaded, deployment, user, agent=with_agent)


def _refuse_at_odds(*, systemd: bool, fleet: bool, kubernetes: bool, user: str, of_pods: str) -> None:
    """Refuse options that would have no effect."""
    if systemd and kubernetes:
        raise click.UsageError("say either --systemd or --kubernetes")
    if fleet and not systemd:
        raise click.UsageError("--fleet goes with --systemd")
    if of_pods and not kubernetes:
        raise click.UsageError("--image and --namespace go with --kubernetes")
    if user and kubernetes:
        raise click.UsageError("--user is for supervisord and systemd; in Kubernetes the worker's user has a number")


def _for_supervisord(directory: Path, loaded: Loaded, deployment: Deployment, user: str, *, agent: bool) -> None:
    from watcher.generate.supervisord import next_commands, program_files

    files = program_files(loaded.names, deployment, user, agent=agent)
    deployment.log_dir.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)  # supervisord refuses to start without it
    _write(directory, files)
    _tell_next(next_commands(directory))


def _for_systemd(directory: Path, loaded: Loaded, deployment: Deployment, user: str, *, agent: bool) -> None:
    from watcher.generate.systemd import next_commands, unit_files

    _write(directory, unit_files(loaded.names, deployment, user, agent=agent))
    _tell_next(next_commands(directory, deployment, user, agent=agent))


def _for_systemd_fleet(directory: Path, deployment: Deployment, user: str) -> None:
    from watcher.generate.systemd import fleet_files, next_fleet_commands

    _write(directory, fleet_files(deployment, user))
    _tell_next(next_fleet_commands(directory, deployment, user))


def _for_kubernetes(directory: Path, loaded: Loaded, agent: AgentSettings | None, image: str, namespace: str) -> None:
    from watcher.config.files.as_written import as_written
    from watcher.generate.kubernetes import Cluster, Watcher, loopback_warnings, manifest_files, next_commands, transform_warnings

    cluster = Cluster(image, namespace, (agent.port or DEFAULT_PORT) if agent else None)
    watchers = {name: Watcher(as_written(loaded.origins[name]), loaded.watchers[name].high_availability) for name in loaded.names}
    _write(directory, manifest_files(watchers, cluster))
    settings = loaded.watchers.values()
    for warning in (*loopback_warnings(settings), *transform_warnings(settings)):
        click.echo(f"warning: {warning}", err=True)
    _tell_next(next_commands(watchers, cluster, directory))


def _write(directory: Path, files: list[GeneratedFile]) -> None:
    """Write the files, and report for each whether it was written, unchanged, or is no longer needed."""
    from watcher.generate.files import left_over, write_into

    for path, changed in write_into(directory, files):
        click.echo(f"{'written' if changed else 'same':9}{path}")
    for path in left_over(directory, {file.name for file in files}):
        click.echo(f"{'old':9}{path}: no watcher needs it any more; remove it")


def _tell_next(commands: Iterable[str]) -> None:
    click.echo("\nNext:", err=True)
    for command in commands:
        click.echo(f"  {command}", err=True)
