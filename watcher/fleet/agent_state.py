"""The state of the fleet's agent. Its address is in a file that it writes; if it cannot listen, the reason is in its log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ValidationError

from watcher.config.files.conf_dir import AGENT
from watcher.fleet.control import Fleet
from watcher.fleet.logs.lines import Line, Wanted, last_lines
from watcher.fleet.polling import is_still
from watcher.fleet.supervisord import Process

_LINES = 20
"""The number of last log lines searched for the agent's reason. The agent logs it once, and then keeps quiet."""
_STEP_SECONDS = 1
"""supervisord rounds the start time of a process down to a second, and the log is written a moment later."""


class Address(BaseModel):
    """The agent's process, and its URL on this host. `birth` distinguishes it from other processes with the same `pid`."""

    pid: int
    url: str
    birth: str = ""


def read_address(path: Path) -> Address | None:
    """The address of the running agent, from the file that it writes; None if none runs."""
    try:
        address = Address.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return address if is_still(address.pid, address.birth) else None


@dataclass(frozen=True, slots=True)
class AgentState:
    """The agent's state: `wanted` if it should run, its `url` if it listens, and `trouble` if it should listen but does not.

    `is_coming` is true if it was just started, or tries again, and has not yet logged a reason.
    """

    wanted: bool
    url: str = ""
    trouble: str = ""
    hint: str = ""
    is_coming: bool = False


NO_AGENT = AgentState(wanted=False)


def agent_state(fleet: Fleet, process: Process | None) -> AgentState:
    """The state of the fleet's agent. `process` is None if supervisord does not run or does not have the agent."""
    address = read_address(fleet.deployment.address_file)
    if not fleet.agent.wanted or address:
        return AgentState(fleet.agent.wanted is not None, address.url if address else "")
    if process is None:
        return AgentState(True)  # nobody started one
    said = _last_complaint(fleet, process)
    if said:
        return AgentState(True, trouble=_text(said, "event"), hint=_text(said, "hint"))
    logs = f"watcherctl logs {AGENT}"
    if process.is_running:
        return AgentState(True, trouble="it does not listen yet", hint=logs, is_coming=True)
    return AgentState(True, trouble=process.spawn_error or f"it does not run: {process.state.lower()}", hint=logs)


def _last_complaint(fleet: Fleet, process: Process) -> Line | None:
    """The last error that this process has logged; None if it has logged none."""
    since = datetime.fromtimestamp(max(process.started_at - _STEP_SECONDS, 0), UTC)
    try:
        lines = last_lines({AGENT: fleet.deployment.log_file(AGENT)}, _LINES, Wanted(since=since))
    except OSError:
        return None
    return next((line for line in reversed(lines) if _text(line, "level") == "error"), None)


def _text(line: Line, key: str) -> str:
    return str((line.fields or {}).get(key, ""))
