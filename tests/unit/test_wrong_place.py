"""Commands where conf.d is not: a wrong directory must not look like a fleet that is well."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.cli import run_command_line

COMMANDS = (
    "start --all", "stop --all", "restart --all", "enable --all", "disable --all", "apply", "logs", "status", "health",
    "tail --all", "verify --all", "position show --all", "snapshot start --all", "snapshot pause --all", "snapshot resume --all",
    "snapshot stop --all", "snapshot status", "snapshot status shop", "switchover --all", "generate --into files", "check",
    "doctor",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("is_there", "why"), [(False, "cannot be read: No such file or directory"), (True, "holds no watcher")])
def test_no_command_passes_where_there_is_no_watcher(
    command: str, is_there: bool, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    if is_there:
        (tmp_path / "conf.d").mkdir()
    assert run_command_line([*command.split(), "--config", "conf.d"]) == 78
    output = capsys.readouterr()
    assert f"conf.d: {why}" in output.out + output.err
    assert "watcherctl init" in output.out + output.err


def test_logs_are_shown_also_after_conf_d_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log").mkdir(mode=0o700)
    (tmp_path / "log" / "shop.log").touch()
    assert run_command_line(["logs", "--config", "conf.d"]) == 0
    assert capsys.readouterr().err == "nothing has been logged yet\n"
