"""Places in which a deployment is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.config import Deployment, load
from watcher.config.deployment import CONFIG_VARIABLE
from watcher.private import is_ours


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


def test_every_file_has_its_place(base: Path) -> None:
    here = Deployment.locate(base)
    run = {
        "shop.json": here.status_file("shop"),
        "shop.prom": here.metrics_file("shop"),
        "shop.lock": here.lock_file("shop"),
        "agent.json": here.address_file,
        ".lock": here.fleet_lock_file,
        ".key": here.key_file,
        "supervisord.conf": here.supervisord_config,
        "supervisor.sock": here.supervisord_socket,
        "programs": here.programs_dir,
        "disabled": here.disabled_dir,
    }
    assert run == {name: base / "run" / name for name in run}
    assert here.log_file("shop") == base / "log" / "shop.log"
    assert (here.state_dir, here.supervisord_base) == (base, base / "supervisor" / "supervisord.conf")


def test_all_of_them_are_known_for_ours(base: Path) -> None:
    """Else run/ and log/ would stay open to others."""
    here = Deployment.locate(base)
    places = [getattr(here, name) for name, made in vars(Deployment).items() if isinstance(made, property)]
    files = [path for path in places if isinstance(path, Path) and path.parent == here.run_dir]
    files += [here.status_file("a"), here.metrics_file("a"), here.lock_file("a"), here.log_file("agent"), here.log_file("a")]
    for path in files:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert len(files) == 12
    assert is_ours(here.run_dir)
    assert is_ours(here.log_dir)


def test_logs_of_watchers_that_are_gone_are_found(base: Path) -> None:
    here = Deployment.locate(base)
    assert here.logs == ()
    here.log_dir.mkdir()
    for name in ("gone.log", "gone.log.1", "supervisord.log", "a.b.log"):
        (here.log_dir / name).touch()
    assert sorted(here.logs) == ["a.b", "gone"]
