"""Generated manifests, as Kubernetes' schemas read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.support.generating import VARIABLES, generate
from tests.support.plain_settings import settings
from watcher.config import Deployment, load
from watcher.config.agent_settings import load_agent
from watcher.fleet.errors import FleetError
from watcher.fleet.programs import STOP_WAIT_SECONDS
from watcher.generate.kubernetes import Cluster, Watcher, loopback_warnings, manifest_files, object_name

pytest_plugins = ["tests.support.generating_fixtures"]


KUBERNETES = "1.37"


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


def test_a_transform_that_no_pod_has_is_warned_of(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    (deployment.conf_dir.parent / "shape.py").write_text("def shorten(message):\n    return message\n")
    with (deployment.conf_dir / "plain.toml").open("a") as file:
        file.write('transform = "shape:shorten"\n')
    assert generate("--kubernetes") == 0
    [warned] = [line for line in capsys.readouterr().err.splitlines() if "transform" in line]
    assert warned.startswith("warning: plain: the module shape of its transform must be in the image")


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
