"""doctor's checks of the host, with a host that lacks something."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.doctoring import check_fix, look, problems
from watcher.config import Deployment, load
from watcher.config.agent_settings import AgentSettings, LoadedAgent
from watcher.doctor import host, machine
from watcher.doctor.check import Finding, Outcome
from watcher.doctor.configuration import Here
from watcher.pids import birth_of
from watcher.private import group_name, user_name

MB = 1_000_000
WATCHER = 'mongodb_uri = "mongodb://h/db"\nkafka_brokers = "h:9092"\nkafka_client_id = "{name}"\n'

Examined = Callable[..., dict[str, Finding]]


@pytest.fixture
def examined(tmp_path: Path) -> Examined:
    """`examined(watchers=1, state_dir=…, port=…)`: what is found of this host for a deployment of so many watchers."""

    def examined(watchers: int = 1, state_dir: Path | None = None, port: int = 0, **settings: str) -> dict[str, Finding]:
        conf_dir = tmp_path / "conf.d"
        conf_dir.mkdir(exist_ok=True)
        for number in range(watchers):
            (conf_dir / f"w{number}.toml").write_text(WATCHER.format(name=f"w{number}"))
        loaded, agent = load(conf_dir), LoadedAgent(AgentSettings(port=port, **settings))
        return look(host.CHECKS, Here(Deployment.locate(conf_dir, state_dir or tmp_path / "s"), loaded, loaded.names, agent))

    return examined


def test_this_host_will_do(examined: Examined, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    found = examined(state_dir=Path("/tmp/w"))
    assert problems(found).keys() <= {"host.clock"}  # containers often have no say in theirs
    assert "`watcherctl start` makes what is missing" in found["host.directories"].text


def test_socket_path_that_is_too_long(examined: Examined, tmp_path: Path) -> None:
    found = examined(state_dir=tmp_path / ("long" * 30))
    check_fix(found["host.socket-path"], Outcome.FAILED, "95 is the limit", "--state-dir /var/lib/watcher")
    assert found["host.supervisord"].text == "because host.socket-path failed"


def test_directory_that_cannot_be_written_to(examined: Examined, tmp_path: Path) -> None:
    """A file stands where the directory should be; that stops root as well."""
    (tmp_path / "file").touch()
    found = examined(state_dir=tmp_path / "file")
    check_fix(found["host.directories"], Outcome.FAILED, "file/run", "chown", "--state-dir")


def test_directories_that_others_can_read(examined: Examined, tmp_path: Path) -> None:
    run_dir, log_dir = tmp_path / "s" / "run", tmp_path / "s" / "log"
    assert examined()["host.private"].outcome is Outcome.OK
    for path, mode in ((run_dir, 0o755), (log_dir, 0o700)):
        path.mkdir(parents=True)
        path.chmod(mode)
    check_fix(examined()["host.private"], Outcome.WARNING, "s/run: open to other users", "chmod go=", "s/run")
    run_dir.chmod(0o700)
    assert examined()["host.private"].outcome is Outcome.OK
    (run_dir / "w0.lock").symlink_to("/etc/passwd")
    check_fix(examined()["host.private"], Outcome.WARNING, "s/run/w0.lock: a symbolic link", "ls -l")


def test_directories_that_a_group_may_read(examined: Examined, tmp_path: Path) -> None:
    for name in ("run", "log"):
        (tmp_path / "s" / name).mkdir(parents=True)
        (tmp_path / "s" / name).chmod(0o2750)
    check_fix(examined()["host.private"], Outcome.WARNING, "s/run", "s/log: open to other users", "chmod go=")
    ours = group_name(os.getegid())
    assert examined(group=ours)["host.private"].text.endswith(f"for their owner, and for the group {ours} to read")
    (tmp_path / "s" / "log").chmod(0o700)
    check_fix(
        examined(group=ours)["host.private"], Outcome.WARNING, f"s/log: the group {ours} of conf.d/agent.toml may not read", "id;"
    )


def test_directory_that_is_not_ours_alone(examined: Examined, tmp_path: Path) -> None:
    """`chmod` could shut others out of theirs, for example out of /run."""
    run_dir = tmp_path / "s" / "run"
    run_dir.mkdir(parents=True)
    run_dir.chmod(0o755)
    (run_dir / "crond.pid").touch()
    check_fix(examined()["host.private"], Outcome.WARNING, "s/run: open to other users", "--state-dir", "if nothing else uses")


def test_run_directory_that_is_a_symbolic_link(examined: Examined, tmp_path: Path) -> None:
    """`start` leaves it as it is."""
    (tmp_path / "s").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere").chmod(0o755)
    (tmp_path / "s" / "run").symlink_to(tmp_path / "elsewhere")
    check_fix(examined()["host.private"], Outcome.WARNING, "s/run: open to other users", "chmod go=", "s/run")


def test_a_file_that_has_just_gone_is_no_stranger(examined: Examined, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers replace their files all the time."""
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "run").mkdir(mode=0o700)
    iterdir = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: iter([*iterdir(path), path / "w0.json.new"]))
    assert examined()["host.private"].outcome is Outcome.OK


@pytest.mark.parametrize(("free", "outcome"), [(5 * MB, Outcome.FAILED), (100 * MB, Outcome.WARNING), (121 * MB, Outcome.OK)])
def test_disk_space(free: int, outcome: Outcome, examined: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    found = examined(watchers=2)["host.disk-space"]
    assert found.outcome is outcome
    assert outcome is Outcome.OK or "space" in found.fix


@pytest.mark.parametrize(("limit", "watchers", "outcome"), [(512, 1, "failed"), (1024, 1, "ok"), (1024, 300, "failed")])
def test_file_descriptors(limit: int, watchers: int, outcome: str, examined: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    found = examined(watchers)["host.file-descriptors"]
    assert found.outcome == outcome
    assert outcome == "ok" or "LimitNOFILE=" in found.fix


@pytest.mark.parametrize(("available_mb", "outcome"), [(100, Outcome.FAILED), (250, Outcome.WARNING), (400, Outcome.OK)])
def test_memory(available_mb: int, outcome: Outcome, examined: Examined, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal: 16000000 kB\nMemAvailable: {available_mb * 1000} kB\n")
    monkeypatch.setattr(machine, "MEMINFO", meminfo)
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    assert examined(watchers=2)["host.memory"].outcome is outcome


def test_memory_of_a_container(examined: Examined, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(f"{100 * MB}\n")
    (tmp_path / "memory.current").write_text(f"{60 * MB}\n")
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    check_fix(examined()["host.memory"], Outcome.FAILED, "40 MB available", "add memory")


def test_workers_that_run_have_their_memory(examined: Examined, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(f"{100 * MB}\n")
    (tmp_path / "memory.current").write_text(f"{60 * MB}\n")
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    run_dir = tmp_path / "s" / "run"
    run_dir.mkdir(parents=True)
    now = datetime.now(UTC).isoformat()
    (run_dir / "w0.json").write_text(json.dumps({"pid": os.getpid(), "state": "streaming", "startedAt": now, "updatedAt": now}))
    assert examined()["host.memory"].outcome is Outcome.OK


@pytest.mark.parametrize(("state", "outcome"), [(0, Outcome.OK), (5, Outcome.WARNING), (-1, Outcome.NOT_CHECKED)])
def test_clock(state: int, outcome: Outcome, examined: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_clock_state", lambda: state)
    found = examined()["host.clock"]
    assert found.outcome is outcome
    assert outcome is not Outcome.WARNING or "timedatectl" in found.fix


def test_the_kernel_tells_of_its_clock() -> None:
    assert -1 <= machine._clock_state() <= machine.TIME_ERROR


def test_old_python(examined: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    check_fix(examined()["host.python"], Outcome.FAILED, "too old", "3.11")


def test_supervisord_whose_socket_is_gone(examined: Examined, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run_dir = tmp_path / "s" / "run"
    run_dir.mkdir(parents=True)
    monkeypatch.setattr("watcher.fleet.launch.lost_supervisord", lambda _: os.getpid())
    check_fix(examined()["host.supervisord"], Outcome.FAILED, "its socket is gone", "watcherctl down")


def test_port_of_the_agent(examined: Examined) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        check_fix(examined(port=port)["host.agent-port"], Outcome.WARNING, f"127.0.0.1:{port}", "another program", "port = 8086")
    assert examined(port=port)["host.agent-port"].outcome is Outcome.OK


def test_port_that_our_agent_has(examined: Examined, tmp_path: Path) -> None:
    run_dir = tmp_path / "s" / "run"
    run_dir.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        url = f"http://127.0.0.1:{port}/"
        us = {"pid": os.getpid(), "url": url, "birth": birth_of(os.getpid())}
        (run_dir / "agent.json").write_text(json.dumps(us))
        assert examined(port=port)["host.agent-port"].text == f"our agent listens: {url}"
        (run_dir / "agent.json").write_text(json.dumps(us | {"birth": "of another boot/1"}))
        check_fix(examined(port=port)["host.agent-port"], Outcome.WARNING, "another program")


def test_log_that_cannot_be_written_to(examined: Examined, tmp_path: Path) -> None:
    """Another user's is one; a directory in its place stops root as well."""
    (tmp_path / "s" / "log" / "w0.log").mkdir(parents=True)
    check_fix(examined()["host.directories"], Outcome.FAILED, "w0.log cannot be written to", "chown")


@pytest.mark.parametrize("name", ["w0.lock", "w0.json", "agent.json", ".key", ".lock"])
def test_state_that_cannot_be_written_to(name: str, examined: Examined, tmp_path: Path) -> None:
    (tmp_path / "s" / "run" / name).mkdir(parents=True)
    check_fix(examined()["host.directories"], Outcome.FAILED, f"{name} cannot be written to", "chown")


@pytest.mark.parametrize("name", ["w0.lock", "w0.json"])
def test_state_that_cannot_be_read(name: str, examined: Examined, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for access(2), which refuses root nothing."""
    (tmp_path / "s" / "run").mkdir(parents=True)
    (tmp_path / "s" / "run" / name).touch()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, how: access(path, how) and not (Path(path).name == name and how & os.R_OK))
    check_fix(examined()["host.directories"], Outcome.FAILED, f"{name} cannot be read", "chown")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", ["w0.lock", "w0.json"])
def test_files_that_root_has_left_to_another_user(name: str, examined: Examined, tmp_path: Path) -> None:
    """As after `sudo watcherctl run w0`. A supervisord that runs as root writes logs for others."""
    run_dir, log_dir = tmp_path / "s" / "run", tmp_path / "s" / "log"
    for place in (run_dir, log_dir):
        place.mkdir(parents=True)
        place.chmod(0o700)
        os.chown(place, 65534, 65534)
    for log in ("supervisord.log", "w0.log.1"):
        (log_dir / log).touch()
    assert examined()["host.private"].outcome is Outcome.OK
    (run_dir / name).touch(0o600)
    check_fix(examined()["host.private"], Outcome.WARNING, f"s/run/{name}: root's", f"chown {user_name(65534)} ", "sudo")


def test_file_system_that_takes_no_more_files(examined: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_files_left", lambda _: 0)
    check_fix(examined()["host.disk-space"], Outcome.FAILED, "inodes", "df -i")


def test_user_without_a_name(examined: Examined, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54_321)
    (tmp_path / "file").touch()
    check_fix(examined(state_dir=tmp_path / "file")["host.directories"], Outcome.FAILED, "chown 54321 ")
