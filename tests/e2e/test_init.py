"""`watcherctl init`, from the repository and from a built wheel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from watcher.config import load

ROOT = Path(__file__).parents[2]
STARTER = ROOT / "watcher" / "starter"
FILES = {
    "conf.d/dashboard.toml",
    "conf.d/analytics.toml",
    "conf.d/defaults.toml",
    "conf.d/agent.toml",
    "supervisor/supervisord.conf",
    "docker-compose.yml",
    ".gitignore",
}


def watcherctl(directory: Path, *arguments: str, path: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "watcher", *arguments]
    environment = os.environ | {"PYTHONPATH": str(path)}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=directory, env=environment)


def files_below(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked as pip would."""
    wheels, site = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(wheels)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = wheels.glob("*.whl")
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(site)], check=True, timeout=60)
    return site


@pytest.mark.parametrize("source", ["repository", "wheel"])
def test_writes_the_projects_own_files(source: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = ROOT if source == "repository" else request.getfixturevalue("installed")
    done = watcherctl(tmp_path, "init", path=path)
    assert files_below(tmp_path) == FILES
    assert {line.split()[1] for line in done.stdout.splitlines()} == FILES
    for name in FILES - {".gitignore"}:
        assert (tmp_path / name).read_bytes() == (STARTER / name).read_bytes()


def test_what_it_writes_has_no_fault(tmp_path: Path) -> None:
    watcherctl(tmp_path, "init", "shop")
    done = watcherctl(tmp_path / "shop", "check", "--config", "conf.d")
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [["analytics", "ok"], ["dashboard", "ok"]]


def test_what_it_writes_watches_all_collections(tmp_path: Path) -> None:
    """Whoever puts their own database into it would else see nothing of it."""
    watcherctl(tmp_path, "init")
    for settings in load(tmp_path / "conf.d").watchers.values():
        assert (settings.watch_collections, settings.exclude_collections) == ((), ())


def test_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "dashboard.toml").write_text("mine")
    done = watcherctl(tmp_path, "init")
    assert (tmp_path / "conf.d" / "dashboard.toml").read_text() == "mine"
    assert "exists   conf.d/dashboard.toml" in done.stdout.splitlines()
    assert files_below(tmp_path) == FILES


def test_ignores_what_watchers_write(tmp_path: Path) -> None:
    watcherctl(tmp_path, "init")
    for name in ("run", "log"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").touch()
    (tmp_path / "conf.d" / "dashboard.env").touch()
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert set(listed.stdout.splitlines()) == FILES
