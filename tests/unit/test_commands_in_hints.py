"""Commands in hints, which people copy into a shell: a blank in a path must not tear it apart."""

from __future__ import annotations

import errno
import os
import shlex
from pathlib import Path

import pytest

from tests.support.doctoring import look
from watcher.cli import run_command_line
from watcher.cli.demo.run import how_to_look_around
from watcher.config import Deployment, load
from watcher.doctor import configuration, host
from watcher.doctor.configuration import Here
from watcher.private import refusal

WATCHER = 'mongodb_uri = "mongodb://u:secret@h/db"\nkafka_brokers = "h:9092"\nkafka_client_id = "w"\n'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with a blank in its name."""
    place = tmp_path / "my fleet"
    place.mkdir()
    return place


def test_of_doctor(place: Path) -> None:
    for name in ("conf.d", "run", "log"):
        (place / name).mkdir(mode=0o755)
    (place / "conf.d" / "w.toml").write_text(WATCHER)
    (place / "conf.d" / "w.toml").chmod(0o644)
    (place / "run" / ".key").touch()
    (place / "log" / "w.log").touch()
    loaded = load(place / "conf.d")
    here = Here(Deployment.locate(place), loaded, loaded.names)
    found = look((*configuration.CHECKS, *host.CHECKS), here)
    assert shlex.split(found["configuration.secrets"].fix) == ["chmod", "o=", str(place / "conf.d" / "w.toml")]
    assert shlex.split(found["host.private"].fix) == ["chmod", "go=", str(place / "run"), str(place / "log")]


def test_of_a_file_that_may_not_be_opened(place: Path) -> None:
    assert shlex.split(refusal(place / "w.lock")[1]) == ["chmod", "u+rwX", str(place)]


def test_of_init(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["init", str(place)]) == 0
    commands = capsys.readouterr().err.split("`")[1::2]
    assert [shlex.split(each)[-1] for each in commands] == [str(place / "conf.d")] * 2


def test_of_a_full_disk(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place / "conf.d"))

    monkeypatch.setattr("watcher.cli.deployment.init.write_new", full)
    assert run_command_line(["init", str(place)]) == 1
    assert f"df -h {shlex.quote(str(place))}; df -i" in capsys.readouterr().err


def test_of_the_demo(place: Path) -> None:
    lines = how_to_look_around(Deployment.locate(place / "conf.d"), None).splitlines()
    commands = [shlex.split(line) for line in lines if "conf" in line]
    assert len(commands) == 3
    assert all({str(place / "conf.d"), str(place / "run" / "supervisord.conf")} & set(each) for each in commands)
