"""Generated files, as those read them for whom they are made: supervisord's parser, systemd's own check, Kubernetes' schema."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from supervisor.options import ServerOptions

from tests.support.programs import find_program
from watcher.cli import run_command_line
from watcher.config import Deployment, load
from watcher.errors import ExitCode
from watcher.fleet.errors import FleetError
from watcher.fleet.programs import STOP_WAIT_SECONDS
from watcher.generate.kubernetes import object_name
from watcher.generate.settings_text import settings_text
from watcher.generate.systemd import AGENT_UNIT, TARGET, TEMPLATE, unit_files
from watcher.generate.yaml_text import yaml_text

ROOT = Path(__file__).parents[2]
SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "tests/data/kubernetes/schema.json").read_text(encoding="utf-8")))

SECRETS = ("hunter1", "hunter2", "hunter3", "hunter4", "hunter5")
VARIABLES = {"KAFKA_USER": "hunter5", "BATCH": "7"}
FILES = {
    "defaults.toml": 'kafka_brokers = ["one:9092", "two:9092"]\n',
    "dashboard.toml": """\
mongodb_uri = "mongodb://app:hunter1@localhost/dashboard?replicaSet=rs0"
kafka_client_id = "dashboard-watcher"
watch_collections = ["users", "über*", "tokens"]
batch_size = "${BATCH}"
start_from = 2024-01-01T12:00:00Z
[snapshot_filter]
tokens = '{"revoked": false}'
[kafka]
security.protocol = "SASL_SSL"
client.rack = "$${odd}"
"sasl.mechanism" = "PLAIN"
"sasl.username" = "${KAFKA_USER}"
"sasl.password" = "${KAFKA_PASSWORD:-hunter2}"
""",
    "Sales_Reports.env": """\
MONGODB_URI=mongodb://app:hunter3@localhost/sales
KAFKA_CLIENT_ID=sales
KAFKA_TOPIC_INSERT=sales.insert
BATCH_SIZE=50
SNAPSHOT_FILTER={"a.b": {"text": {"$ne": "${literal}"}}}
KAFKA={"ssl.key.password": "hunter4", "linger.ms": 5, "client.rack": "${literal}"}
""",
    "plain.toml": 'mongodb_uri = "mongodb://localhost/plain"\nkafka_client_id = "plain"\n',
}


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Three watchers whose settings hold secrets in every way; the current directory is beside their conf.d."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    base = tmp_path / "base"
    conf_dir = base / "conf.d"
    conf_dir.mkdir(parents=True)
    for name, text in FILES.items():
        (conf_dir / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(base)
    return Deployment.locate(conf_dir)


def generate(*arguments: str) -> int:
    return run_command_line(["generate", *arguments])


def manifests(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The ConfigMap and the Deployment in a file, both good by the schema."""
    config_map, worker = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    for document in (config_map, worker):
        SCHEMA.validate(document)
    return config_map, worker


@pytest.mark.parametrize("arguments", [("--into", "out"), ("--systemd", "--into", "out"), ("--kubernetes", "--into", "out")])
def test_the_same_again_is_not_written_again_and_holds_no_secret(
    arguments: tuple[str, ...], deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate(*arguments) == 0
    told = capsys.readouterr()
    files = sorted(Path("out").iterdir())
    assert sorted(told.out.splitlines()) == [f"written  {path}" for path in files]
    assert "\nNext:\n" in told.err
    everything = told.out + told.err + "".join(path.read_text(encoding="utf-8") for path in files)
    assert [secret for secret in SECRETS if secret in everything] == []
    before = [path.stat() for path in files]
    assert generate(*arguments) == 0
    assert sorted(capsys.readouterr().out.splitlines()) == [f"same     {path}" for path in files]
    assert [path.stat() for path in files] == before


def test_files_of_watchers_that_are_gone_are_named(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    generate("--into", "out")
    Path("out/mine.conf").write_text("[program:mine]\ncommand=true\n")
    (deployment.conf_dir / "plain.toml").unlink()
    capsys.readouterr()
    generate("--into", "out")
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("old")] == [
        "old      out/plain.conf: no watcher needs it any more; remove it"
    ]


def test_nothing_is_written_while_the_configuration_has_a_fault(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    (deployment.conf_dir / "plain.toml").write_text("batch_size = 0\n")
    (deployment.conf_dir / "agent.toml").write_text("port = -1\n")
    assert generate("--into", "out") == ExitCode.CONFIGURATION
    told = capsys.readouterr().err
    assert "plain.toml" in told
    assert "agent.toml" in told
    assert not Path("out").exists()


def test_it_must_be_told_what_for(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate() == 2
    assert "--into DIR, --systemd or --kubernetes" in capsys.readouterr().err


def test_supervisord_takes_the_sections_by_its_include(deployment: Deployment, tmp_path: Path) -> None:
    """The way that the command names: its own supervisord.conf with an [include]."""
    assert generate("--into", "out", "--user", "root") == 0  # supervisord's parser looks the user up
    own = tmp_path / "supervisord.conf"
    own.write_text(f"[supervisord]\n[include]\nfiles = {Path('out').absolute()}/*.conf\n")
    options = ServerOptions()
    options.realize(["-c", str(own)])
    programs = {group.name: group.process_configs[0] for group in options.process_group_configs}
    assert programs.keys() == {"dashboard", "Sales_Reports", "plain", "agent"}
    process = programs["dashboard"]
    place = ["--config", str(deployment.conf_dir), "--state-dir", str(deployment.conf_dir.parent)]
    assert shlex.split(process.command) == [sys.executable, "-m", "watcher", "run", "dashboard", *place]
    assert (process.startsecs, process.stopwaitsecs, process.uid) == (0, STOP_WAIT_SECONDS, 0)
    assert set(process.exitcodes) == set(ExitCode) - {ExitCode.BUG}
    assert process.stdout_logfile == str(deployment.log_dir / "dashboard.log")


def verified(directory: Path) -> str:
    """Return what systemd has to say against the units in `directory`; empty if nothing."""
    names = (TEMPLATE.replace("@", "@dashboard"), AGENT_UNIT, TARGET)
    command = [find_program("systemd-analyze"), "verify", "--man=no", *(str(directory / name) for name in names)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stderr + ("" if done.returncode == 0 else f"exit code {done.returncode}")


def unit(directory: Path) -> dict[str, str]:
    """The template's directives; of those that come more than once, the last."""
    lines = (directory / TEMPLATE).read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_systemd_takes_the_units(deployment: Deployment) -> None:
    assert generate("--systemd") == 0
    directory = Path("systemd")
    assert verified(directory) == ""
    service = unit(directory)
    assert service["Type"] == "notify"
    assert service["User"] == "watcher"
    assert {int(code) for code in service["RestartPreventExitStatus"].split()} == set(ExitCode) - {ExitCode.BUG, ExitCode.STOPPED}
    assert int(service["TimeoutStopSec"]) == STOP_WAIT_SECONDS
    target = (directory / TARGET).read_text(encoding="utf-8")
    assert [line for line in target.splitlines() if line.startswith("Wants=")] == [
        f"Wants=database-watcher{name}.service" for name in ("@Sales_Reports", "@dashboard", "@plain", "-agent")
    ]


def test_without_an_agent_none_is_generated(deployment: Deployment) -> None:
    (deployment.conf_dir / "agent.toml").write_text("enabled = false\n")
    assert (generate("--into", "out"), generate("--systemd")) == (0, 0)
    assert not Path("out/agent.conf").exists()
    assert {path.name for path in Path("systemd").iterdir()} == {TEMPLATE, TARGET}
    assert "agent" not in (Path("systemd") / TARGET).read_text()


def test_systemd_would_find_a_misspelt_directive(deployment: Deployment) -> None:
    generate("--systemd")
    template = Path("systemd") / TEMPLATE
    template.write_text(template.read_text().replace("WatchdogSec=", "WatchdogSecs="))
    assert "WatchdogSecs" in verified(Path("systemd"))


@pytest.mark.parametrize("name", [TEMPLATE, AGENT_UNIT])
def test_systemd_finds_the_processes_well_confined(name: str, deployment: Deployment) -> None:
    generate("--systemd")
    command = [find_program("systemd-analyze"), "security", "--offline=yes", "--threshold=25", f"./systemd/{name}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-200:]


@pytest.mark.parametrize("directory", ["with space", "100%", "$HOME", "über", "a;b", "a; b#c"])
def test_systemd_takes_odd_paths(directory: str, tmp_path: Path) -> None:
    base = tmp_path / directory
    deployment = Deployment(base / "conf.d", base / "run", base / "log")
    for file in unit_files(["dashboard"], deployment, "watcher", agent=True):
        (tmp_path / file.name).write_text(file.text, encoding="utf-8")
    assert verified(tmp_path) == ""
    command = unit(tmp_path)["ExecStart"].replace("%%", "%").replace("$$", "$")
    expected = ["run", "%i", "--config", str(base / "conf.d"), "--state-dir", str(base)]
    assert shlex.split(command.replace(";", "\\;") if '"' not in command else command)[3:] == expected


@pytest.mark.parametrize("directory", ['quo"te', "quo'te", "back\\slash", "line\nbreak"])
def test_paths_that_a_unit_cannot_hold_are_refused(directory: str) -> None:
    base = Path("/srv") / directory
    with pytest.raises(FleetError, match="cannot hold"):
        unit_files(["dashboard"], Deployment(base / "conf.d", base / "run", base / "log"), "watcher", agent=True)


@pytest.mark.parametrize("name", ["dashboard", "Sales_Reports", "plain"])
def test_kubernetes_mounts_settings_that_mean_the_same(
    name: str, deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the secrets in the environment, where the Deployment puts them, the ConfigMap is the watcher's own conf.d again."""
    assert generate("--kubernetes") == 0
    config_map, worker = manifests(Path("kubernetes") / f"{name}.yaml")
    (container,) = worker["spec"]["template"]["spec"]["containers"]
    secrets = {
        "MONGODB_URI": {"dashboard": "mongodb://app:hunter1@localhost/dashboard?replicaSet=rs0"}.get(
            name, "mongodb://app:hunter3@localhost/sales"
        ),
        "KAFKA_SASL_PASSWORD": "hunter2",
        "KAFKA_SSL_KEY_PASSWORD": "hunter4",
        **VARIABLES,
    }
    environment = {entry["name"]: secrets[entry["name"]] for entry in container.get("env", [])}
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    for file, text in config_map["data"].items():
        (mounted / file).write_text(text, encoding="utf-8")
    loaded = load(mounted, environment)
    assert loaded.faults == ()
    assert loaded.watchers == {name: load(deployment.conf_dir).watchers[name]}
    assert container["args"] == ["run", name]


def test_kubernetes_runs_one_worker_at_a_time_and_lets_it_finish(deployment: Deployment) -> None:
    generate("--kubernetes", "--image", "registry.example/watcher:1")
    config_map, worker = manifests(Path("kubernetes/Sales_Reports.yaml"))
    assert worker["kind"] == "Deployment"
    assert worker["metadata"]["name"] == config_map["metadata"]["name"] == "database-watcher-sales-reports"
    spec = worker["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    pod = spec["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > STOP_WAIT_SECONDS
    (container,) = pod["containers"]
    assert container["image"] == "registry.example/watcher:1"
    references = [entry["valueFrom"]["secretKeyRef"] for entry in container["env"]]
    assert {reference["name"] for reference in references} == {"database-watcher-sales-reports"}


def test_kubernetes_starts_a_new_pod_when_a_setting_changes(deployment: Deployment) -> None:
    def pod_annotations() -> dict[str, str]:
        generate("--kubernetes")
        annotations: dict[str, str] = manifests(Path("kubernetes/plain.yaml"))[1]["spec"]["template"]["metadata"]["annotations"]
        return annotations

    before = pod_annotations()
    path = deployment.conf_dir / "plain.toml"
    path.write_text(path.read_text() + "batch_size = 2\n")
    assert pod_annotations() != before


def test_a_uri_that_is_kept_in_a_file_comes_from_the_secret(deployment: Deployment) -> None:
    (deployment.conf_dir / "uri").write_text("mongodb://app:hunter1@localhost/filed")
    (deployment.conf_dir / "filed.toml").write_text('mongodb_uri_file = "uri"\nkafka_client_id = "filed"\n')
    assert generate("--kubernetes") == 0
    config_map, worker = manifests(Path("kubernetes/filed.yaml"))
    assert 'mongodb_uri = "${MONGODB_URI}"' in config_map["data"]["filed.toml"]
    assert worker["spec"]["template"]["spec"]["containers"][0]["env"][0]["name"] == "MONGODB_URI"


def test_a_property_that_is_kept_in_a_file_comes_from_the_secret(deployment: Deployment) -> None:
    (deployment.conf_dir / "password").write_text("hunter1")
    (deployment.conf_dir / "filed.toml").write_text(
        'mongodb_uri = "mongodb://localhost/filed"\nkafka_client_id = "filed"\n[kafka]\n"sasl.password_file" = "password"\n'
    )
    assert generate("--kubernetes") == 0
    config_map, worker = manifests(Path("kubernetes/filed.yaml"))
    assert '"sasl.password" = "${KAFKA_SASL_PASSWORD}"' in config_map["data"]["filed.toml"]
    assert worker["spec"]["template"]["spec"]["containers"][0]["env"][0]["name"] == "KAFKA_SASL_PASSWORD"


def test_kubernetes_schema_refuses_a_misspelt_field(deployment: Deployment) -> None:
    generate("--kubernetes")
    _, worker = manifests(Path("kubernetes/plain.yaml"))
    worker["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(jsonschema.ValidationError):
        SCHEMA.validate(worker)


def test_what_to_type_names_the_variables_of_each_secret(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    generate("--kubernetes")
    assert capsys.readouterr().err.splitlines() == [
        "",
        "Next:",
        "  kubectl create secret generic database-watcher-sales-reports --from-env-file=FILE"
        "  # a line each: KAFKA_SSL_KEY_PASSWORD, MONGODB_URI",
        "  kubectl create secret generic database-watcher-dashboard --from-env-file=FILE"
        "  # a line each: BATCH, KAFKA_SASL_PASSWORD, KAFKA_USER, MONGODB_URI",
        "  kubectl apply -f kubernetes",
    ]


def test_watchers_that_kubernetes_cannot_tell_apart_are_refused(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    (deployment.conf_dir / "Plain.toml").write_text('mongodb_uri = "mongodb://localhost/p"\nkafka_client_id = "p"\n')
    assert generate("--kubernetes") == 1
    assert "Plain, plain would all be called database-watcher-plain" in capsys.readouterr().err


def test_a_name_that_is_too_long_for_kubernetes_is_refused() -> None:
    with pytest.raises(FleetError, match="longer than"):
        object_name("w" * 60)


@pytest.mark.parametrize(
    ("written", "line"),
    [
        ("mongodb://localhost/a", 'mongodb_uri = "mongodb://localhost/a"'),
        ("mongodb://u:${PW}@h/a", 'mongodb_uri = "mongodb://u:${PW}@h/a"'),
        ("mongodb://u:pw@${H}/a", 'mongodb_uri = "${MONGODB_URI}"'),
        ("mongodb://u:${PW:-pw}@h/a", 'mongodb_uri = "${MONGODB_URI}"'),
    ],
    ids=["nothing secret", "a variable", "beside a variable", "a variable's default"],
)
def test_a_uri_is_shown_only_without_secrets(written: str, line: str) -> None:
    assert line in settings_text({"mongodb_uri": written}).text.splitlines()


texts = st.one_of(st.text(), st.sampled_from(["yes", "No", "null", "1", "1.5", "~", "a\nb\n", " a\nb\n", "a\n\nb\n", "a\u2028b\n"]))
values = st.recursive(
    st.one_of(texts, st.integers(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=20,
)


@pytest.mark.parametrize("word", ["y", "N", "yes", "off", "null", "~", "1e3", "0o7"])
def test_yaml_marks_as_text_what_kubectl_would_read_otherwise(word: str) -> None:
    assert yaml_text({"args": [word]}) == f'args:\n  - "{word}"\n'


@given(st.dictionaries(texts, values, min_size=1, max_size=4))
def test_yaml_gives_back_what_was_put_in(document: dict[str, Any]) -> None:
    assert yaml.safe_load(yaml_text(document)) == document
