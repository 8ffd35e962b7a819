"""The root of watcherctl: finding commands, and turning errors into messages and exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import click
import pytest

from watcher.cli import run_command_line, watcherctl
from watcher.cli.commands import COMMANDS
from watcher.cli.exit_codes import UnknownName
from watcher.cli.options import complete_names, select, select_to_change, with_deployment
from watcher.config import Deployment
from watcher.errors import KEEPS_TRYING, ConfigurationError, NotPermitted, Outage
from watcher.messages.serializations.template import COMPILED

KNOWN = ("analytics", "dashboard", "shop")

Register = Callable[[Exception], None]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Register:
    """Makes `watcherctl version` raise the error it is given."""
    monkeypatch.delenv("WATCHER_DEBUG", raising=False)

    def register(error: BaseException) -> None:
        @click.command()
        def version() -> None:
            raise error

        monkeypatch.setattr("watcher.cli.version.version", version)

    return register


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_where_the_root_looks_for_it(name: str) -> None:
    command = getattr(import_module(COMMANDS[name].module), COMMANDS[name].attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ConfigurationError("bad", hint="do this"), 78, "watcherctl: bad\nhint: do this\n"),
        (NotPermitted("no"), 77, "watcherctl: no\n"),
        (Outage("gone", component="kafka"), 1, "watcherctl: gone\n"),
        (Outage("gone", hint=f"Is it running? {KEEPS_TRYING}", component="kafka"), 1, "watcherctl: gone\nhint: Is it running?\n"),
        (
            OSError(28, "No space left on device", "run/a.conf"),
            1,
            "watcherctl: run/a.conf: No space left on device\nhint: make space: df -h run; df -i run\n",
        ),
        (PermissionError(13, "Permission denied", "conf.d"), 1, "watcherctl: conf.d: Permission denied\n"),
        (OSError("odd"), 1, "watcherctl: odd\n"),
        (TypeError("oops"), 1, "watcherctl: unexpected TypeError: oops\nhint: this is a bug; WATCHER_DEBUG=1 shows where\n"),
        (UnknownName("who"), 4, "Error: who\n"),
        (
            click.UsageError("what"),
            2,
            "Usage: watcherctl version [OPTIONS]\nTry 'watcherctl version --help' for help.\n\nError: what\n",
        ),
        (KeyboardInterrupt(), 130, "\n"),
    ],
)
def test_errors(failing: Register, error: Exception, code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    failing(error)
    assert run_command_line(["version"]) == code
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", words)


def test_errors_are_raised_when_debugging(failing: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(ConfigurationError("bad"))
    monkeypatch.setenv("WATCHER_DEBUG", "1")
    with pytest.raises(ConfigurationError):
        run_command_line(["version"])


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--help"], 0), (["version"], 0), (["--nonsense"], 2), (["completion", "tcsh"], 2)]
)
def test_exit_codes_of_click(arguments: list[str], code: int) -> None:
    assert run_command_line(arguments) == code


@pytest.mark.parametrize(("typed", "meant"), [("strat", "start"), ("chek", "check"), ("staus", "status")])
def test_misspelt_command(typed: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line([typed]) == 2
    assert f"did you mean '{meant}'?" in capsys.readouterr().err


def test_help_lists_every_command_with_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    run_command_line(["--help"])
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.partition("Commands:\n")[2].splitlines()]
    assert lines == [[name, place.summary] for name, place in COMMANDS.items()]


def test_version_names_the_drivers(capsys: pytest.CaptureFixture[str]) -> None:
    run_command_line(["version"])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()][:4] == [
        "watcherctl",
        "Python",
        "confluent-kafka",
        "pymongo",
    ]


def test_version_tells_whether_the_part_in_c_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    run_command_line(["version"])
    assert f"messages are made in {'C' if COMPILED else 'Python'}" in capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["completion", shell]) == 0
    assert "_WATCHERCTL_COMPLETE" in capsys.readouterr().out


def test_reader_that_goes_away(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "watcher", "version"]
    done = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (1, "")


def in_shell(command: str, *, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell in which `$W` is watcherctl, with a conf.d of one watcher, `shop`, that has logged a text with €."""
    (cwd / "conf.d").mkdir()
    (cwd / "conf.d" / "shop.toml").write_text("mongo_uri = 1\n")
    (cwd / "log").mkdir(mode=0o700)
    (cwd / "log" / "shop.log").write_text('{"level": "info", "event": "costs 5 €"}\n', encoding="utf-8")
    known = {**os.environ, **environment, "W": f"{sys.executable} -m watcher", "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(["sh", "-c", command], cwd=cwd, env=known, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("command", "code"), [("status", 7), ("logs", 0), ("stop shop", 0)])
def test_a_closed_stream_is_as_good_as_none(command: str, code: int, closed: str, tmp_path: Path) -> None:
    done = in_shell(f"exec $W {command} {closed}", cwd=tmp_path)
    assert (done.returncode, "bug" in done.stderr) == (code, False), done.stderr


def test_what_an_encoding_lacks_is_escaped(tmp_path: Path) -> None:
    done = in_shell("exec $W logs", cwd=tmp_path, PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "costs 5 \\u20ac" in done.stdout


def test_faults_are_told_though_the_working_directory_is_gone(tmp_path: Path) -> None:
    done = in_shell('mkdir gone && cd gone && rmdir "$PWD" && exec $W check --config "$OLDPWD/conf.d"', cwd=tmp_path)
    assert done.returncode == 78
    assert f"{tmp_path}/conf.d/shop.toml:1 mongo_uri: unknown key (did you mean 'mongodb_uri'?)" in done.stdout


@pytest.mark.parametrize(
    ("names", "selected"),
    [
        ((), ["analytics", "dashboard", "shop"]),
        (("shop", "analytics"), ["analytics", "shop"]),
        (("*a*",), ["analytics", "dashboard"]),
        (("shop", "s*"), ["shop"]),
    ],
)
def test_selection(names: tuple[str, ...], selected: list[str]) -> None:
    assert select(names, KNOWN) == selected


@pytest.mark.parametrize(
    ("name", "words"), [("dashbord", "did you mean 'dashboard'?"), ("x*", "there are: analytics, dashboard, shop")]
)
def test_unknown_name(name: str, words: str) -> None:
    with pytest.raises(UnknownName, match=f"no watcher is called '{name.replace('*', '[*]')}'; {words.replace('?', '[?]')}"):
        select([name], KNOWN)


def test_a_change_wants_names_or_all() -> None:
    assert select_to_change([], KNOWN, everything=True) == list(KNOWN)
    assert select_to_change(["shop"], KNOWN, everything=False) == ["shop"]
    for names, everything in (([], False), (["shop"], True)):
        with pytest.raises(click.UsageError, match="either names or --all"):
            select_to_change(names, KNOWN, everything=everything)


@pytest.fixture
def work_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, with no deployment elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WATCHER_CONFIG", raising=False)
    monkeypatch.setattr("watcher.config.deployment.SYSTEM_CONF_DIR", tmp_path / "etc" / "conf.d")
    return tmp_path


def located(*arguments: str) -> Deployment:
    @click.command()
    @with_deployment
    def command(deployment: Deployment) -> Deployment:
        return deployment

    deployment = command.main(list(arguments), standalone_mode=False)
    assert isinstance(deployment, Deployment)
    return deployment


def test_where_conf_d_is_looked_for(work_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert located().conf_dir == work_dir / "conf.d"
    (work_dir / "etc" / "conf.d").mkdir(parents=True)
    assert located() == Deployment(work_dir / "etc" / "conf.d", work_dir / "etc" / "run", work_dir / "etc" / "log")
    (work_dir / "conf.d").mkdir()
    assert located().conf_dir == work_dir / "conf.d"
    monkeypatch.setenv("WATCHER_CONFIG", "elsewhere")
    assert located().conf_dir == work_dir / "elsewhere"
    assert located("--config", "x/conf.d") == Deployment(work_dir / "x/conf.d", work_dir / "x/run", work_dir / "x/log")


def test_state_dir(work_dir: Path) -> None:
    assert located("--state-dir", "var") == Deployment(work_dir / "conf.d", work_dir / "var/run", work_dir / "var/log")


def test_names_are_completed(work_dir: Path) -> None:
    (work_dir / "conf.d").mkdir()
    for name in ("dashboard.toml", "data.env", "analytics.toml", "defaults.toml"):
        (work_dir / "conf.d" / name).touch()
    context = click.Context(watcherctl)
    completed = complete_names(context, click.Argument(["names"]), "da")
    assert [item.value for item in completed] == ["dashboard", "data"]


@pytest.mark.parametrize("variable", ["MONGODB_URI", "MONGODB_URI_FILE"])
def test_a_container_may_have_its_uri_in_a_variable_or_in_a_file(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "uri").write_text("mongodb://app:hunter1@localhost/shop\n")
    monkeypatch.setenv(variable, {"MONGODB_URI": "mongodb://localhost/shop"}.get(variable, "uri"))
    monkeypatch.setenv("KAFKA_BROKERS", "localhost:9092")
    monkeypatch.delenv("KAFKA_CLIENT_ID", raising=False)
    assert run_command_line(["run"]) == 78  # with one thing missing, so that nothing starts
    assert "environment KAFKA_CLIENT_ID: is missing" in capsys.readouterr().err


def test_run_without_any_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("MONGODB_URI", "MONGODB_URI_FILE"):
        monkeypatch.delenv(variable, raising=False)
    assert run_command_line(["run"]) == 78
    assert "neither MONGODB_URI nor MONGODB_URI_FILE in the environment" in capsys.readouterr().err
