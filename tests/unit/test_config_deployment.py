"""Where a deployment is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.config import Deployment, load
from watcher.config.deployment import CONFIG_VARIABLE


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A deployment's directory, as `watcherctl init` leaves it; the working directory."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "docker-compose.yml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("named", [".", "conf.d", "./conf.d/", None])
def test_either_directory_may_be_named(base: Path, named: str | None) -> None:
    deployment = Deployment.locate(Path(named) if named else None)
    assert (deployment.conf_dir, deployment.run_dir, deployment.log_dir) == (base / "conf.d", base / "run", base / "log")


def test_so_may_the_variable(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, str(base))
    assert Deployment.locate(state_dir=base / "state") == Deployment(
        base / "conf.d", base / "state" / "run", base / "state" / "log"
    )


def test_from_inside_conf_d(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(base / "conf.d")
    assert Deployment.locate(Path()).run_dir == base / "run"
    assert Deployment.locate(Path("..")).conf_dir.resolve() == base / "conf.d"


def test_a_directory_of_another_name_without_conf_d(base: Path) -> None:
    (base / "settings").mkdir()
    assert Deployment.locate(Path("settings")).conf_dir == base / "settings"


def test_a_file_is_no_conf_d(base: Path) -> None:
    (base / "conf.d" / "a.toml").touch()
    (fault,) = load(Deployment.locate(Path("conf.d/a.toml")).conf_dir).faults
    assert (fault.text, "name the directory" in fault.hint) == ("is a file", True)
