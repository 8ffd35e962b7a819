"""`watcherctl check`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click

from watcher.cli.exit_codes import CliExitCode
from watcher.cli.options import names_argument, select, with_deployment
from watcher.config import Deployment, Fault, Loaded, Origin, load, masked
from watcher.config.agent_settings import LoadedAgent, load_agent
from watcher.config.files.conf_dir import AGENT
from watcher.config.in_force import values_in_force
from watcher.config.overlaps import Overlap, overlaps

JSON_VERSION = 1

ONLY_READ = "no faults in the files; watcherctl doctor asks MongoDB and Kafka as well"


@click.command()
@names_argument
@click.option("--show", is_flag=True, help="Also show the values in force and their origins, with secrets masked.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_deployment
def check(deployment: Deployment, names: tuple[str, ...], show: bool, as_json: bool) -> int:
    """Show all faults in the configuration at once, each with file:line, key, description and hint.

    Also says which changes two watchers send to the same topics. Connects to nothing. Exits with 78 if there is any fault.
    """
    loaded = load(deployment.conf_dir, ask_drivers=True)
    agent = None if names else load_agent(deployment.conf_dir)
    selected = select(names, loaded.names)
    faults = _faults(loaded, agent, selected)
    if as_json:
        click.echo(json.dumps(_as_json(deployment, loaded, agent, selected, faults), indent=2))
    else:
        _print(loaded, agent, selected, faults, show=show)
    return CliExitCode.CONFIGURATION if faults else CliExitCode.OK


def _faults(loaded: Loaded, agent: LoadedAgent | None, selected: list[str]) -> list[Fault]:
    """The faults of the selected watchers, each once. Without a selection, those of the directory and the agent too."""
    found = [fault for name in selected for fault in loaded.broken.get(name, ())]
    return list(dict.fromkeys([*loaded.general, *found, *agent.faults] if agent else found))


def _overlaps(loaded: Loaded, selected: list[str]) -> list[Overlap]:
    return [each for each in overlaps(loaded.watchers.values()) if not {each.watcher, each.other}.isdisjoint(selected)]


def _print(loaded: Loaded, agent: LoadedAgent | None, selected: list[str], faults: list[Fault], *, show: bool) -> None:
    good = [name for name in selected if name in loaded.watchers]
    width = max(map(len, good), default=0)
    for name in good:
        settings = loaded.watchers[name]
        click.echo(f"{name:{width}}  ok  {masked('mongodb_uri', settings.mongodb_uri)} -> {settings.kafka_brokers}")
        if show:
            _print_values(values_in_force(settings, loaded.origins[name]))
    if agent and agent.settings and show:
        click.echo(f"{AGENT:{width}}  ok")
        _print_values(agent.values_in_force())
    for fault in faults:
        click.echo(str(fault))
    for overlap in _overlaps(loaded, selected):
        click.echo(f"{overlap}\n    hint: {overlap.hint}", err=True)
    if faults:
        click.echo(f"{_count(len(faults), 'fault')}; {_count(len(good), 'watcher')} without one", err=True)
    else:
        click.echo(ONLY_READ, err=True)


def _print_values(values: Iterable[tuple[str, str, Origin]]) -> None:
    rows = list(values)
    key_width = max(len(key) for key, *_ in rows)
    value_width = max(len(value) for _, value, _ in rows)
    for key, value, origin in rows:
        click.echo(f"  {key:{key_width}}  {value:{value_width}}  {origin}")


def _as_json(
    deployment: Deployment, loaded: Loaded, agent: LoadedAgent | None, selected: list[str], faults: list[Fault]
) -> dict[str, Any]:
    return {
        "version": JSON_VERSION,
        "configDir": str(deployment.conf_dir),
        "watchers": [_watcher_as_json(name, loaded) for name in selected],
        **({"agent": _settings_as_json(AGENT, agent.values_in_force() if agent.settings else None)} if agent else {}),
        "faults": [_fault_as_json(fault) for fault in faults],
        "remarks": [{"watcher": each.watcher, "message": str(each), "hint": each.hint} for each in _overlaps(loaded, selected)],
    }


def _watcher_as_json(name: str, loaded: Loaded) -> dict[str, Any]:
    settings = loaded.watchers.get(name)
    return _settings_as_json(name, values_in_force(settings, loaded.origins[name]) if settings else None)


def _settings_as_json(name: str, values: Iterable[tuple[str, str, Origin]] | None) -> dict[str, Any]:
    if values is None:
        return {"name": name, "ok": False}
    return {"name": name, "ok": True, "settings": {key: {"value": value, "from": str(origin)} for key, value, origin in values}}


def _fault_as_json(fault: Fault) -> dict[str, Any]:
    origin = fault.origin
    return {"file": str(origin.source), "line": origin.line, "key": fault.key, "message": fault.text, "hint": fault.hint}


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
