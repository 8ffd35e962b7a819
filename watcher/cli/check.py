"""`watcherctl check`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from watcher.cli.exit_codes import CliExitCode
from watcher.cli.options import names_argument, select, with_deployment
from watcher.config import Deployment, Fault, Loaded, Origin, Settings, load, masked
from watcher.config.in_force import values_in_force
from watcher.config.loader import with_librdkafka

JSON_VERSION = 1


@click.command()
@names_argument
@click.option("--show", is_flag=True, help="Also show what is in force and from where, with secrets masked.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_deployment
def check(deployment: Deployment, names: tuple[str, ...], show: bool, as_json: bool) -> int:
    """Show all faults of the configuration at once, as file:line, key, what is wrong and what to do.

    Connects to nothing. Exits with 78 if there is any fault.
    """
    loaded = with_librdkafka(load(deployment.conf_dir))
    selected = select(names, loaded.names)
    faults = _faults(loaded, selected, whole=not names)
    if as_json:
        click.echo(json.dumps(_as_json(deployment, loaded, selected, faults), indent=2))
    else:
        _print(loaded, selected, faults, show=show)
    return CliExitCode.CONFIGURATION if faults else CliExitCode.OK


def _faults(loaded: Loaded, selected: list[str], *, whole: bool) -> list[Fault]:
    """The faults of the selected watchers, each once; of the directory too, if all of it was asked for."""
    found = [fault for name in selected for fault in loaded.broken.get(name, ())]
    return list(dict.fromkeys([*loaded.general, *found] if whole else found))


def _print(loaded: Loaded, selected: list[str], faults: list[Fault], *, show: bool) -> None:
    good = [name for name in selected if name in loaded.watchers]
    width = max(map(len, good), default=0)
    for name in good:
        settings = loaded.watchers[name]
        click.echo(f"{name:{width}}  ok  {masked('mongodb_uri', settings.mongodb_uri)} -> {settings.kafka_brokers}")
        if show:
            _print_values(settings, loaded.origins[name])
    for fault in faults:
        click.echo(str(fault))
    if faults:
        click.echo(f"{_count(len(faults), 'fault')}; {_count(len(good), 'watcher')} without one", err=True)


def _print_values(settings: Settings, origins: Mapping[str, Origin]) -> None:
    rows = list(values_in_force(settings, origins))
    key_width = max(len(key) for key, *_ in rows)
    value_width = max(len(value) for _, value, _ in rows)
    for key, value, origin in rows:
        click.echo(f"  {key:{key_width}}  {value:{value_width}}  {origin}")


def _as_json(deployment: Deployment, loaded: Loaded, selected: list[str], faults: list[Fault]) -> dict[str, Any]:
    return {
        "version": JSON_VERSION,
        "configDir": str(deployment.conf_dir),
        "watchers": [_watcher_as_json(name, loaded) for name in selected],
        "faults": [_fault_as_json(fault) for fault in faults],
    }


def _watcher_as_json(name: str, loaded: Loaded) -> dict[str, Any]:
    settings = loaded.watchers.get(name)
    if settings is None:
        return {"name": name, "ok": False}
    values = values_in_force(settings, loaded.origins[name])
    return {"name": name, "ok": True, "settings": {key: {"value": value, "from": str(origin)} for key, value, origin in values}}


def _fault_as_json(fault: Fault) -> dict[str, Any]:
    origin = fault.origin
    return {"file": str(origin.source), "line": origin.line, "key": fault.key, "message": fault.text, "hint": fault.hint}


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
