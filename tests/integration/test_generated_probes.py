"""Probes that Kubernetes would run to find out how a worker is, run against a real one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.worker import Launch, environment
from watcher.generate.kubernetes import manifest_files

pytest_plugins = ["tests.support.worker_fixtures"]


@pytest.fixture
def container() -> dict[str, Any]:
    """The container of a generated Deployment."""
    (file,) = manifest_files({"dashboard": {}}, "image")
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


def test_a_worker_that_no_longer_writes_its_status_is_not_alive(container: dict[str, Any], tmp_path: Path) -> None:
    status = tmp_path / "run" / "dashboard.json"
    status.parent.mkdir()
    status.touch()
    assert passes(container["livenessProbe"], tmp_path)
    long_ago = time.time() - 600
    os.utime(status, (long_ago, long_ago))
    assert not passes(container["livenessProbe"], tmp_path)
