"""Probes that Kubernetes would run to find out how a worker is, run against a real one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.waiting import eventually
from tests.support.worker import Launch, environment
from watcher.generate.kubernetes import Cluster, Watcher, manifest_files
from watcher.sandbox.process import free_port

ROOT = Path(__file__).parents[2]

pytest_plugins = ["tests.support.worker_fixtures"]


@pytest.fixture
def container() -> dict[str, Any]:
    """The worker's container of a generated Deployment."""
    (file,) = manifest_files({"dashboard": Watcher({})}, Cluster("image"))
    _, deployment = yaml.safe_load_all(file.text)
    (only,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(only)


def passes(probe: dict[str, Any], directory: Path) -> bool:
    """Return True if a probe succeeds in a container that works in `directory`."""
    variables = environment(PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    command = probe["exec"]["command"]
    return subprocess.run(command, cwd=directory, env=variables, capture_output=True, timeout=60, check=False).returncode == 0


def test_probes_tell_a_worker_that_streams_from_one_that_waits_or_hangs(
    container: dict[str, Any], launch: Launch, settings: dict[str, Any], tmp_path: Path
) -> None:
    started, alive, ready = (container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness"))
    assert not passes(started, tmp_path)
    worker = launch(settings)
    worker.reached()
    assert (passes(started, tmp_path), passes(alive, tmp_path), passes(ready, tmp_path)) == (True, True, True)
    worker.stop()
    launch(settings | {"kafka_brokers": "localhost:1"}).reached("waiting")
    assert (passes(alive, tmp_path), passes(ready, tmp_path)) == (True, False)


def test_the_agent_beside_a_worker_tells_of_it(launch: Launch, settings: dict[str, Any], tmp_path: Path) -> None:
    """With the agent.toml of a generated ConfigMap, and no supervisord."""
    port, token = free_port(), "0123456789abcdef"
    _, file = manifest_files({"dashboard": Watcher(settings)}, Cluster("image", agent_port=port))
    config_map, deployment, *_ = yaml.safe_load_all(file.text)
    [command] = [each["args"] for each in deployment["spec"]["template"]["spec"]["containers"] if each["name"] == "agent"]
    launch(settings).reached()
    (tmp_path / "conf.d" / "agent.toml").write_text(config_map["data"]["agent.toml"])
    variables = environment(AGENT_TOKEN=token, PYTHONPATH=str(ROOT))

    def metrics() -> str:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {token}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text: str = answer.read().decode()
        except OSError as error:
            raise AssertionError from error  # it is not there yet
        [told] = [line for line in text.splitlines() if line.startswith("watcher_state{") and 'state="streaming"' in line]
        assert float(told.rpartition(" ")[2]) == 1, "the worker writes its metrics less often than its status"
        return text

    with subprocess.Popen([sys.executable, "-m", "watcher", *command], cwd=tmp_path, env=variables) as agent:
        try:
            text = eventually(metrics, 60)
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10)
            refused.value.close()
        finally:
            agent.terminate()
    assert 'watcher_up{watcher="dashboard"} 1.0' in text


def test_a_worker_that_no_longer_writes_its_status_is_not_alive(container: dict[str, Any], tmp_path: Path) -> None:
    status = tmp_path / "run" / "dashboard.json"
    status.parent.mkdir()
    status.touch()
    assert passes(container["livenessProbe"], tmp_path)
    long_ago = time.time() - 600
    os.utime(status, (long_ago, long_ago))
    assert not passes(container["livenessProbe"], tmp_path)
