"""Generated files: what holds for all kinds of them, and supervisord's, as its parser reads them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from tests.support.generating import SECRETS, generate
from watcher.config import Deployment
from watcher.errors import ExitCode
from watcher.fleet.programs import STOP_WAIT_SECONDS
from watcher.generate.settings_text import settings_text

pytest_plugins = ["tests.support.generating_fixtures"]


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


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (("--systemd", "--kubernetes"), "either --systemd or --kubernetes"),
        (("--into", "out", "--image", "i"), "go with --kubernetes"),
        (("--systemd", "--namespace", "n"), "go with --kubernetes"),
        (("--kubernetes", "--user", "watcher"), "--user is for supervisord and systemd"),
    ],
)
def test_options_without_effect_are_refused(
    arguments: tuple[str, ...], refusal: str, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate(*arguments) == 2
    assert refusal in capsys.readouterr().err
    assert sorted(path.name for path in deployment.conf_dir.parent.iterdir()) == ["conf.d"]


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
