"""docker-compose.yml and Dockerfile: the schema, and that what they name is there. No container is started."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pymongo.uri_parser import parse_uri

from watcher.config import load

ROOT = Path(__file__).parents[2]
STARTER = ROOT / "watcher/starter"
SCHEMA = json.loads((ROOT / "tests/data/compose-spec/schema.json").read_text(encoding="utf-8"))
COMPOSE: dict[str, Any] = yaml.safe_load((STARTER / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
CONF_D = STARTER / "conf.d"
IGNORED = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]


def instruction(name: str) -> str:
    """The arguments of the Dockerfile's last instruction of that name, the one that is in force."""
    *_, last = re.finditer(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)
    return last[1]


def listener_addresses(variable: str) -> dict[str, str]:
    """`INSIDE://kafka:19092,…` as {"INSIDE": "kafka:19092", …}."""
    entries: list[str] = SERVICES["kafka"]["environment"][variable].split(",")
    return dict(entry.split("://") for entry in entries)


def help_text(command: str) -> str:
    """Return what `watcherctl COMMAND --help` prints."""
    line = [sys.executable, "-m", "watcher", command, "--help"]
    return subprocess.run(line, capture_output=True, text=True, check=True, timeout=30, cwd=ROOT).stdout


def test_compose_file_follows_the_specification() -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(COMPOSE)


def test_schema_refuses_a_misspelt_key() -> None:
    with pytest.raises(jsonschema.ValidationError, match="helthcheck"):
        jsonschema.Draft202012Validator(SCHEMA).validate({"services": {"kafka": {"image": "x", "helthcheck": {}}}})


def test_every_service_has_a_health_check() -> None:
    unchecked = {name for name, service in SERVICES.items() if "healthcheck" not in service}
    assert unchecked == {"fleet"}, "the fleet's is in its image"
    assert instruction("HEALTHCHECK").endswith('CMD ["watcherctl", "health"]')


def test_fleet_waits_for_healthy_servers() -> None:
    conditions = {name: dependency["condition"] for name, dependency in SERVICES["fleet"]["depends_on"].items()}
    assert conditions == {"mongodb": "service_healthy", "kafka": "service_healthy"}


def test_volumes_are_declared_and_mounted_paths_exist() -> None:
    sources = [volume.split(":")[0] for service in SERVICES.values() for volume in service["volumes"]]
    paths = [source for source in sources if source.startswith(".")]
    assert set(sources) - set(paths) == set(COMPOSE["volumes"])
    assert all((ROOT / path).is_dir() for path in paths)


def published_ports() -> list[str]:
    """Of all services, as `address:host port:container port`."""
    return [port for service in SERVICES.values() for port in service.get("ports", [])]


def test_published_ports_stay_on_this_host() -> None:
    assert published_ports() == ["127.0.0.1:27017:27017", "127.0.0.1:9092:9092"]


def test_kafka_advertises_listeners_that_it_has() -> None:
    listening = {name: address.rpartition(":")[2] for name, address in listener_addresses("KAFKA_LISTENERS").items()}
    advertised = listener_addresses("KAFKA_ADVERTISED_LISTENERS")
    assert advertised == {"INSIDE": f"kafka:{listening['INSIDE']}", "HOST": f"localhost:{listening['HOST']}"}
    protocols = SERVICES["kafka"]["environment"]["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"]
    assert {entry.split(":")[0] for entry in protocols.split(",")} == set(listening)


def test_conf_d_names_the_published_ports() -> None:
    """The fleet is in this host's network, where the same conf.d serves watchers that run outside."""
    assert SERVICES["fleet"]["network_mode"] == "host"
    on_host = [f"localhost:{port.split(':')[1]}" for port in published_ports()]
    loaded = load(CONF_D, environment={})
    assert loaded.faults == ()
    assert set(loaded.watchers) == {"analytics", "dashboard"}
    for settings in loaded.watchers.values():
        assert settings.kafka_brokers == listener_addresses("KAFKA_ADVERTISED_LISTENERS")["HOST"] == on_host[1]
        ((host, port),) = parse_uri(settings.mongodb_uri.get_secret_value())["nodelist"]
        assert f"{host}:{port}" == on_host[0]


def test_replica_set_member_is_called_as_clients_on_the_host_reach_it() -> None:
    """pymongo leaves the URI's address for those that the replica set's members give themselves."""
    check = SERVICES["mongodb"]["healthcheck"]["test"][-1]
    assert re.findall(r'host: "(.+?)"', check) == ["localhost:27017"]


def test_fleet_runs_where_its_configuration_and_state_are() -> None:
    volumes = SERVICES["fleet"]["volumes"]
    directory = instruction("WORKDIR")
    assert volumes == [f"state:{directory}", f"./conf.d:{directory}/conf.d:ro"]
    assert instruction("VOLUME") == directory


def test_fleet_is_built_from_a_checkout() -> None:
    variable, default = re.fullmatch(r"\$\{(\w+):-(.+)\}", SERVICES["fleet"]["build"]).groups()  # type: ignore[union-attr]
    assert (ROOT / default / "Dockerfile").is_file()
    assert variable in (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8"), "`watcherctl init` writes no Dockerfile"


def test_servers_need_nothing_but_the_file() -> None:
    """`docker compose up kafka mongodb` works where nothing but the file is."""
    for name in ("kafka", "mongodb"):
        assert "build" not in SERVICES[name]
        assert "depends_on" not in SERVICES[name]
        assert all(not volume.startswith((".", "/")) for volume in SERVICES[name]["volumes"])


def test_image_runs_watcherctl_commands_that_exist() -> None:
    entrypoint, command = json.loads(instruction("ENTRYPOINT")), json.loads(instruction("CMD"))
    assert [*entrypoint, *command] == ["tini", "--", "watcherctl", "run"]
    assert "run [OPTIONS] [NAME]" in help_text("run"), "without a name it is the fleet in the foreground"
    assert "--check" in help_text("status")


def test_image_does_not_run_as_root() -> None:
    assert instruction("USER") == "watcher"
    assert re.search(r"useradd .*\bwatcher\b", DOCKERFILE)


def test_build_context_holds_what_the_wheel_needs() -> None:
    assert allowed() == {"pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "requirements.lock", "watcher"}
    assert {name for names in copied() for name in names} == allowed()


def test_build_context_holds_nothing_that_a_deployment_has() -> None:
    """All is left out that is not named; a COPY names what it takes, should the builder not know .dockerignore."""
    assert IGNORED[0] == "*"
    assert not allowed() & {"conf.d", "docker-compose.yml", "supervisor", "run", "log", ".env", "."}


def allowed() -> set[str]:
    """List what .dockerignore lets into the build context."""
    return {line[1:] for line in IGNORED if line.startswith("!")}


def copied() -> list[list[str]]:
    """List what each COPY takes from the build context."""
    lines = re.findall(r"^COPY ((?!--from).+)$", DOCKERFILE, re.MULTILINE)
    return [line.split()[:-1] for line in lines]
