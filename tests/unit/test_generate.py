"""Generated files, as those read them for whom they are made: supervisord's parser, systemd's own check, Kubernetes' schema."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from supervisor.options import ServerOptions

from tests.support.plain_settings import settings
from tests.support.programs import find_program
from watcher.cli import run_command_line
from watcher.config import Deployment, load
from watcher.config.agent_settings import load_agent
from watcher.errors import ExitCode
from watcher.fleet.errors import FleetError
from watcher.fleet.programs import STOP_WAIT_SECONDS
from watcher.generate.kubernetes import Cluster, Watcher, loopback_warnings, manifest_files, object_name
from watcher.generate.settings_text import settings_text
from watcher.generate.systemd import AGENT_UNIT, FLEET_UNIT, TARGET, TEMPLATE, fleet_files, unit_files
from watcher.generate.yaml_text import yaml_text

KUBERNETES = "1.37"

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


def objects(path: Path) -> dict[str, dict[str, Any]]:
    """The objects in a file by their kind, all good by Kubernetes' schemas."""
    documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    for document in documents:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    return {document["kind"]: document for document in documents}


def manifests(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The ConfigMap and the Deployment in a file."""
    found = objects(path)
    return found["ConfigMap"], found["Deployment"]


def containers(deployment: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The containers of a Deployment's pods by their names."""
    return {container["name"]: container for container in deployment["spec"]["template"]["spec"]["containers"]}


def variables(container: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The variables of a container that come from a Secret: of which, and its key there."""
    return {entry["name"]: entry["valueFrom"]["secretKeyRef"] for entry in container["env"] if "valueFrom" in entry}


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


FOR_EACH = (TEMPLATE.replace("@", "@dashboard"), AGENT_UNIT, TARGET)


def verified(directory: Path, names: tuple[str, ...] = FOR_EACH) -> str:
    """Return what systemd has to say against the units in `directory`; empty if nothing."""
    command = [find_program("systemd-analyze"), "verify", "--man=no", *(str(directory / name) for name in names)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stderr + ("" if done.returncode == 0 else f"exit code {done.returncode}")


def unit(directory: Path, name: str = TEMPLATE) -> dict[str, str]:
    """A unit's directives; of those that come more than once, the last."""
    lines = (directory / name).read_text(encoding="utf-8").splitlines()
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


def test_systemd_takes_the_unit_that_runs_the_fleet(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate("--systemd", "--fleet") == 0
    assert {path.name for path in Path("systemd").iterdir()} == {FLEET_UNIT}
    assert verified(Path("systemd"), (FLEET_UNIT,)) == ""
    service = unit(Path("systemd"), FLEET_UNIT)
    place = ["--config", str(deployment.conf_dir), "--state-dir", str(deployment.conf_dir.parent)]
    assert shlex.split(service["ExecStart"]) == [sys.executable, "-m", "watcher", "run", *place]
    assert service["ReadWritePaths"] == f"-{deployment.run_dir} -{deployment.log_dir}"
    assert (service["Conflicts"], service["WantedBy"]) == (TARGET, "multi-user.target")
    assert int(service["TimeoutStopSec"]) > STOP_WAIT_SECONDS
    told = capsys.readouterr().err
    assert f"sudo install -d -o watcher -m 700 {deployment.run_dir} {deployment.log_dir}\n" in told
    assert f"systemctl enable --now {FLEET_UNIT}\n" in told


@pytest.mark.parametrize("arguments", [("--into", "out"), ("--kubernetes",)])
def test_the_unit_of_the_fleet_is_for_systemd(
    arguments: tuple[str, ...], deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate("--fleet", *arguments) == 2
    assert "--fleet goes with --systemd" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "options"), [(TEMPLATE, ()), (AGENT_UNIT, ()), (FLEET_UNIT, ("--fleet",))])
def test_systemd_finds_the_processes_well_confined(name: str, options: tuple[str, ...], deployment: Deployment) -> None:
    generate("--systemd", *options)
    command = [find_program("systemd-analyze"), "security", "--offline=yes", "--threshold=25", f"./systemd/{name}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-200:]


@pytest.mark.parametrize("directory", ["with space", "100%", "$HOME", "über", "a;b", "a; b#c"])
def test_systemd_takes_odd_paths(directory: str, tmp_path: Path) -> None:
    base = tmp_path / directory
    deployment = Deployment(base / "conf.d", base / "run", base / "log")
    for file in (*unit_files(["dashboard"], deployment, "watcher", agent=True), *fleet_files(deployment, "watcher")):
        (tmp_path / file.name).write_text(file.text, encoding="utf-8")
    assert verified(tmp_path, (*FOR_EACH, FLEET_UNIT)) == ""
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
    container = containers(worker)["worker"]
    secrets = {
        "MONGODB_URI": {"dashboard": "mongodb://app:hunter1@localhost/dashboard?replicaSet=rs0"}.get(
            name, "mongodb://app:hunter3@localhost/sales"
        ),
        "KAFKA_SASL_PASSWORD": "hunter2",
        "KAFKA_SSL_KEY_PASSWORD": "hunter4",
        **VARIABLES,
    }
    environment = {variable: secrets[variable] for variable in variables(container)}
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
    container = containers(worker)["worker"]
    assert container["image"] == "registry.example/watcher:1"
    assert {reference["name"] for reference in variables(container).values()} == {"database-watcher-sales-reports"}
    assert "affinity" not in pod
    assert "PodDisruptionBudget" not in objects(Path("kubernetes/Sales_Reports.yaml"))


def share(deployment: Deployment, name: str) -> None:
    """Let this watcher run on several hosts."""
    path = deployment.conf_dir / f"{name}.toml"
    path.write_text("high_availability = true\n" + path.read_text())


def test_kubernetes_runs_a_watcher_with_a_lease_on_two_nodes(deployment: Deployment) -> None:
    share(deployment, "plain")
    generate("--kubernetes")
    found = objects(Path("kubernetes/plain.yaml"))
    spec = found["Deployment"]["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    [term] = spec["template"]["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    budget = found["PodDisruptionBudget"]["spec"]
    assert budget["maxUnavailable"] == 1
    labels = spec["template"]["metadata"]["labels"]
    for selector in (term["labelSelector"], budget["selector"], spec["selector"]):
        assert selector["matchLabels"] == labels
    assert containers(found["Deployment"])["worker"]["readinessProbe"]["exec"]["command"] == ["watcherctl", "health", "plain"]


def test_kubernetes_has_an_agent_in_each_pod_and_a_service_that_finds_them(deployment: Deployment) -> None:
    (deployment.conf_dir / "agent.toml").write_text("port = 9000\n")
    generate("--kubernetes")
    config_map, worker = manifests(Path("kubernetes/dashboard.yaml"))
    agent = containers(worker)["agent"]
    assert (agent["args"], agent["ports"]) == (["agent"], [{"name": "agent", "containerPort": 9000}])
    assert "readinessProbe" not in agent
    assert variables(agent).keys() - variables(containers(worker)["worker"]).keys() == {"AGENT_TOKEN"}
    assert variables(agent)["AGENT_TOKEN"] == {"name": "database-watcher-agent", "key": "AGENT_TOKEN"}
    assert worker["spec"]["template"]["spec"]["shareProcessNamespace"] is True
    token = "0123456789abcdef"
    deployment.conf_dir.joinpath("agent.toml").write_text(config_map["data"]["agent.toml"])
    settings = load_agent(deployment.conf_dir, {"AGENT_TOKEN": token}).wanted
    assert settings
    assert settings.token
    assert (settings.host, settings.port, settings.token.get_secret_value()) == ("0.0.0.0", 9000, token)
    service = objects(Path("kubernetes/00-fleet.yaml"))["Service"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"].items() <= worker["spec"]["template"]["metadata"]["labels"].items()
    assert service["spec"]["ports"] == [{"name": "agent", "port": 9000, "targetPort": "agent"}]


def test_kubernetes_without_an_agent(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    (deployment.conf_dir / "agent.toml").write_text("enabled = false\n")
    generate("--kubernetes")
    assert not Path("kubernetes/00-fleet.yaml").exists()
    config_map, worker = manifests(Path("kubernetes/plain.yaml"))
    assert containers(worker).keys() == {"worker"}
    assert config_map["data"].keys() == {"plain.toml"}
    assert "agent" not in capsys.readouterr().err


def test_kubernetes_has_a_namespace_if_it_is_told_one(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    generate("--kubernetes", "--namespace", "cdc")
    namespace = objects(Path("kubernetes/00-fleet.yaml"))["Namespace"]
    assert namespace["metadata"]["name"] == "cdc"
    for path in Path("kubernetes").iterdir():
        others = [each for each in objects(path).values() if each["kind"] != "Namespace"]
        assert {each["metadata"]["namespace"] for each in others} == {"cdc"}
    commands = capsys.readouterr().err.partition("Next:\n")[2].splitlines()
    assert commands[0] == "  kubectl apply -f kubernetes/00-fleet.yaml"
    assert all(command.startswith("  kubectl --namespace cdc create secret") for command in commands[1:-1])
    generate("--kubernetes")
    assert "namespace" not in manifests(Path("kubernetes/plain.yaml"))[0]["metadata"]


@pytest.mark.parametrize("name", ["Cdc", "-cdc", "cdc-", "a.b", "x" * 64])
def test_a_namespace_that_kubernetes_does_not_take_is_refused(
    name: str, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate("--kubernetes", f"--namespace={name}") == 2
    assert "lower-case letters" in capsys.readouterr().err


def test_addresses_that_lead_back_into_the_pod_are_warned_of(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate("--kubernetes") == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert warnings[0] == "warning: Sales_Reports: mongodb_uri names localhost, which in a pod is the pod itself"
    assert len(warnings) == 3


@pytest.mark.parametrize(
    ("uri", "brokers", "found"),
    [
        ("mongodb://u:p%40@[::1]:27017,db.example/a", "kafka:9092", ["mongodb_uri names ::1"]),
        ("mongodb://db.example/a", "kafka:9092,PLAINTEXT://127.0.0.2:9092", ["kafka_brokers names 127.0.0.2"]),
        ("mongodb+srv://localhost.example.org/a", "localhost.example.org:9092", []),
        ("mongodb://%2Ftmp%2Fm.sock/a", "kafka", []),
    ],
)
def test_which_addresses_lead_back(uri: str, brokers: str, found: list[str]) -> None:
    warned = loopback_warnings([settings(mongodb_uri=uri, kafka_brokers=brokers)])
    assert list(warned) == [f"dashboard: {each}, which in a pod is the pod itself" for each in found]


@pytest.mark.parametrize("name", ["00-fleet", "Agent"], ids=["the file", "the Secret"])
def test_a_watcher_that_is_called_like_what_all_share_is_refused(name: str) -> None:
    with pytest.raises(FleetError, match=f"{name} has the name of what all watchers share"):
        manifest_files({name: Watcher({})}, Cluster("image"))


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
    assert "MONGODB_URI" in variables(containers(worker)["worker"])


def test_a_property_that_is_kept_in_a_file_comes_from_the_secret(deployment: Deployment) -> None:
    (deployment.conf_dir / "password").write_text("hunter1")
    (deployment.conf_dir / "filed.toml").write_text(
        'mongodb_uri = "mongodb://localhost/filed"\nkafka_client_id = "filed"\n[kafka]\n"sasl.password_file" = "password"\n'
    )
    assert generate("--kubernetes") == 0
    config_map, worker = manifests(Path("kubernetes/filed.yaml"))
    assert '"sasl.password" = "${KAFKA_SASL_PASSWORD}"' in config_map["data"]["filed.toml"]
    assert "KAFKA_SASL_PASSWORD" in variables(containers(worker)["worker"])


def test_kubernetes_schema_refuses_a_misspelt_field(deployment: Deployment) -> None:
    generate("--kubernetes")
    _, worker = manifests(Path("kubernetes/plain.yaml"))
    worker["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(worker, KUBERNETES, strict=True)


def test_what_to_type_names_the_variables_of_each_secret(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    generate("--kubernetes")
    told = capsys.readouterr().err
    assert told[told.index("\nNext") :].splitlines() == [
        "",
        "Next:",
        "  kubectl create secret generic database-watcher-sales-reports --from-env-file=FILE"
        "  # a line each: KAFKA_SSL_KEY_PASSWORD, MONGODB_URI",
        "  kubectl create secret generic database-watcher-dashboard --from-env-file=FILE"
        "  # a line each: BATCH, KAFKA_SASL_PASSWORD, KAFKA_USER, MONGODB_URI",
        "  kubectl create secret generic database-watcher-agent --from-env-file=FILE  # a line each: AGENT_TOKEN",
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
