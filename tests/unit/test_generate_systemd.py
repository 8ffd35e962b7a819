"""Generated units, as systemd's own check reads them."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.generating import generate
from tests.support.programs import find_program
from watcher.config import Deployment
from watcher.errors import ExitCode
from watcher.fleet.errors import FleetError
from watcher.fleet.programs import STOP_WAIT_SECONDS
from watcher.generate.systemd import AGENT_UNIT, FLEET_UNIT, TARGET, TEMPLATE, fleet_files, unit_files

pytest_plugins = ["tests.support.generating_fixtures"]


FOR_EACH = (TEMPLATE.replace("@", "@dashboard"), AGENT_UNIT, TARGET)


def verified(directory: Path, names: tuple[str, ...] = FOR_EACH) -> str:
    """Return what systemd has to say against the units in `directory`; empty if nothing."""
    command = [find_program("systemd-analyze"), "verify", "--man=no", *(str(directory / name) for name in names)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stderr + ("" if done.returncode == 0 else f"exit code {done.returncode}")


def unit(directory: Path, name: str = TEMPLATE) -> dict[str, str]:
    """A unit's directives; of those that come more than once, the last."""
    lines = (directory / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_systemd_takes_the_units(deployment: Deployment) -> None:
    assert generate("--systemd") == 0
    directory = Path("systemd")
    assert verified(directory) == ""
    service = unit(directory)
    assert service["Type"] == "notify"
    assert service["User"] == "watcher"
    assert {int(code) for code in service["RestartPreventExitStatus"].split()} == set(ExitCode) - {ExitCode.BUG, ExitCode.STOPPED}
    assert int(service["TimeoutStopSec"]) == STOP_WAIT_SECONDS
    target = (directory / TARGET).read_text(encoding="utf-8")
    assert [line for line in target.splitlines() if line.startswith("Wants=")] == [
        f"Wants=database-watcher{name}.service" for name in ("@Sales_Reports", "@dashboard", "@plain", "-agent")
    ]


def test_without_an_agent_none_is_generated(deployment: Deployment) -> None:
    (deployment.conf_dir / "agent.toml").write_text("enabled = false\n")
    assert (generate("--into", "out"), generate("--systemd")) == (0, 0)
    assert not Path("out/agent.conf").exists()
    assert {path.name for path in Path("systemd").iterdir()} == {TEMPLATE, TARGET}
    assert "agent" not in (Path("systemd") / TARGET).read_text()


def test_systemd_would_find_a_misspelt_directive(deployment: Deployment) -> None:
    generate("--systemd")
    template = Path("systemd") / TEMPLATE
    template.write_text(template.read_text().replace("WatchdogSec=", "WatchdogSecs="))
    assert "WatchdogSecs" in verified(Path("systemd"))


def test_systemd_takes_the_unit_that_runs_the_fleet(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate("--systemd", "--fleet") == 0
    assert {path.name for path in Path("systemd").iterdir()} == {FLEET_UNIT}
    assert verified(Path("systemd"), (FLEET_UNIT,)) == ""
    service = unit(Path("systemd"), FLEET_UNIT)
    place = ["--config", str(deployment.conf_dir), "--state-dir", str(deployment.conf_dir.parent)]
    assert shlex.split(service["ExecStart"]) == [sys.executable, "-m", "watcher", "run", *place]
    assert service["ReadWritePaths"] == f"-{deployment.run_dir} -{deployment.log_dir}"
    assert (service["Conflicts"], service["WantedBy"]) == (TARGET, "multi-user.target")
    assert int(service["TimeoutStopSec"]) > STOP_WAIT_SECONDS
    told = capsys.readouterr().err
    assert f"sudo install -d -o watcher -m 700 {deployment.run_dir} {deployment.log_dir}\n" in told
    assert f"systemctl enable --now {FLEET_UNIT}\n" in told


@pytest.mark.parametrize("arguments", [("--into", "out"), ("--kubernetes",)])
def test_the_unit_of_the_fleet_is_for_systemd(
    arguments: tuple[str, ...], deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate("--fleet", *arguments) == 2
    assert "--fleet goes with --systemd" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "options"), [(TEMPLATE, ()), (AGENT_UNIT, ()), (FLEET_UNIT, ("--fleet",))])
def test_systemd_finds_the_processes_well_confined(name: str, options: tuple[str, ...], deployment: Deployment) -> None:
    generate("--systemd", *options)
    command = [find_program("systemd-analyze"), "security", "--offline=yes", "--threshold=25", f"./systemd/{name}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-200:]


@pytest.mark.parametrize("directory", ["with space", "100%", "$HOME", "über", "a;b", "a; b#c"])
def test_systemd_takes_odd_paths(directory: str, tmp_path: Path) -> None:
    base = tmp_path / directory
    deployment = Deployment(base / "conf.d", base / "run", base / "log")
    for file in (*unit_files(["dashboard"], deployment, "watcher", agent=True), *fleet_files(deployment, "watcher")):
        (tmp_path / file.name).write_text(file.text, encoding="utf-8")
    assert verified(tmp_path, (*FOR_EACH, FLEET_UNIT)) == ""
    command = unit(tmp_path)["ExecStart"].replace("%%", "%").replace("$$", "$")
    expected = ["run", "%i", "--config", str(base / "conf.d"), "--state-dir", str(base)]
    assert shlex.split(command.replace(";", "\\;") if '"' not in command else command)[3:] == expected


@pytest.mark.parametrize("directory", ['quo"te', "quo'te", "back\\slash", "line\nbreak"])
def test_paths_that_a_unit_cannot_hold_are_refused(directory: str) -> None:
    base = Path("/srv") / directory
    with pytest.raises(FleetError, match="cannot hold"):
        unit_files(["dashboard"], Deployment(base / "conf.d", base / "run", base / "log"), "watcher", agent=True)
