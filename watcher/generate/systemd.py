"""Units for systemd: a template for the workers, one for the agent, and a target that stands for the fleet; or one for the fleet
as `watcherctl start --all` runs it.

Directives: systemd.unit(5), systemd.service(5), systemd.exec(5), systemd.kill(5).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from watcher.config import Deployment
from watcher.errors import NOT_RESTARTED, ExitCode
from watcher.fleet.commands import agent_command, fleet_command, worker_command
from watcher.fleet.errors import FleetError
from watcher.fleet.programs import STOP_WAIT_SECONDS
from watcher.generate.files import MARK, GeneratedFile

TARGET = "database-watcher.target"
TEMPLATE = "database-watcher@.service"
AGENT_UNIT = "database-watcher-agent.service"
FLEET_UNIT = "database-watcher-fleet.service"
UNIT_DIRECTORY = Path("/etc/systemd/system")

WATCHDOG_SECONDS = 180
"""Watchdog time-out in seconds. Opening a stream can take two minutes if it runs into every time-out, and the worker gives no sign
of life meanwhile.
"""

FLEET_STOP_SECONDS = STOP_WAIT_SECONDS + 10
"""Time for the fleet to stop: supervisord asks all workers at once, and waits STOP_WAIT_SECONDS for the slowest."""

INSTANCE = "%i"

HARDENING = """\
# It talks to MongoDB and Kafka, and writes below its own directory.
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=read-only
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
PrivateDevices=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0077
"""


def unit_files(names: Iterable[str], deployment: Deployment, user: str, *, agent: bool) -> list[GeneratedFile]:
    """Return the template, the agent's unit, and the target that wants an instance for each watcher. Raises FleetError for odd
    paths.
    """
    instances = [TEMPLATE.replace("@", f"@{name}") for name in names]
    return [
        GeneratedFile(TEMPLATE, _template(deployment, user)),
        *([GeneratedFile(AGENT_UNIT, _agent(deployment, user))] if agent else []),
        GeneratedFile(TARGET, _target([*instances, *([AGENT_UNIT] if agent else [])])),
    ]


def fleet_files(deployment: Deployment, user: str) -> list[GeneratedFile]:
    """Return the unit that runs supervisord, and by it all workers and the agent. Raises FleetError for odd paths."""
    return [GeneratedFile(FLEET_UNIT, _fleet(deployment, user))]


def next_commands(directory: Path, deployment: Deployment, user: str, *, agent: bool) -> tuple[str, ...]:
    """Return the commands that install the files in `directory`."""
    units = (TEMPLATE, *([AGENT_UNIT] if agent else []), TARGET)
    return _installing(directory, units, [deployment.run_dir], user, TARGET)


def next_fleet_commands(directory: Path, deployment: Deployment, user: str) -> tuple[str, ...]:
    """Return the commands that install the fleet's unit from `directory`."""
    return _installing(directory, [FLEET_UNIT], [deployment.run_dir, deployment.log_dir], user, FLEET_UNIT)


def _installing(directory: Path, units: Iterable[str], writable: Iterable[Path], user: str, wanted: str) -> tuple[str, ...]:
    return (
        shlex.join(["sudo", "install", "-d", "-o", user, "-m", "700", *map(str, writable)]),
        shlex.join(["sudo", "cp", *(str(directory / name) for name in units), f"{UNIT_DIRECTORY}/"]),
        f"sudo systemctl daemon-reload && sudo systemctl enable --now {wanted}",
    )


def _target(units: Iterable[str]) -> str:
    wants = "".join(f"Wants={unit}\n" for unit in units)
    return f"""\
# {MARK}: a worker for each watcher of conf.d. Changes made here are lost.
[Unit]
Description=Database Watcher
{wants}
[Install]
WantedBy=multi-user.target
"""


def _template(deployment: Deployment, user: str) -> str:
    return f"""\
# {MARK}: one worker, {TEMPLATE.replace("@", "@<watcher>")}. Changes made here are lost.
{_unit(f"Database Watcher: {INSTANCE}")}
# A worker that crashes again and again holds itself back.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
{_process(worker_command(deployment)(INSTANCE), deployment, user)}
# Ready means that it streams. However long MongoDB or Kafka is away, it waits for them.
TimeoutStartSec=infinity
WatchdogSec={WATCHDOG_SECONDS}
# The worker alone is told to stop; after a transaction's time, everything it may have started is killed.
KillMode=mixed
TimeoutStopSec={STOP_WAIT_SECONDS}

{HARDENING}"""


def _agent(deployment: Deployment, user: str) -> str:
    return f"""\
# {MARK}: the agent, with page and metrics. Changes made here are lost.
{_unit("Database Watcher: the agent")}

[Service]
{_process(agent_command(deployment), deployment, user)}

{HARDENING}"""


def _fleet(deployment: Deployment, user: str) -> str:
    return f"""\
# {MARK}: the whole fleet, as `watcherctl start --all` runs it. Changes made here are lost.
{_unit("Database Watcher: the fleet", f"Conflicts={TARGET}")}

[Service]
Type=exec
{_process(fleet_command(deployment), deployment, user, deployment.run_dir, deployment.log_dir)}
# supervisord tells the workers to stop, and each may take a transaction's time.
KillMode=mixed
TimeoutStopSec={FLEET_STOP_SECONDS}

{HARDENING}
[Install]
WantedBy=multi-user.target
"""


def _unit(description: str, further: str = f"PartOf={TARGET}") -> str:
    return f"""\
[Unit]
Description={description}
{further}
Wants=network-online.target
After=network-online.target"""


def _process(command: Sequence[str], deployment: Deployment, user: str, *writable: Path) -> str:
    places = " ".join(_one_word(f"-{_printed(path)}") for path in writable or [deployment.run_dir])
    return f"""\
User={_printed(user)}
# What ${{NAME}} in conf.d stands for; the file may be missing.
EnvironmentFile=-{_printed(deployment.conf_dir.parent / "environment")}
ExecStart={_command(command)}
ReadWritePaths={places}
Restart=on-failure
RestartSec=1
# These need somebody to act first; see "Exit codes" in the README.
RestartPreventExitStatus={_not_restarted()}"""


def _not_restarted() -> str:
    return " ".join(str(int(code)) for code in NOT_RESTARTED if code is not ExitCode.STOPPED)


def _command(words: Sequence[str]) -> str:
    return " ".join(word if word == INSTANCE else _quoted(word) for word in words)


def _quoted(word: str) -> str:
    """Return a word of a command line, with `$` and `%` doubled, and in quotes if it needs them (systemd.service(5))."""
    return _one_word(_printed(word).replace("$", "$$"))


def _one_word(text: str) -> str:
    return f'"{text}"' if set(text) & set(" ;") else text


def _printed(text: str | Path) -> str:
    """Escape systemd's specifiers in `text`. Raises FleetError for text that would need other escapes, which not every directive
    knows.
    """
    if not str(text).isprintable() or set(str(text)) & set("\"'\\"):
        raise FleetError(
            f"a systemd unit cannot hold this text: {str(text)!r}",
            hint="use paths without quotes, backslashes and line breaks",
        )
    return str(text).replace("%", "%%")
