"""Whether the fleet's agent can be reached: from the file in which it says where it listens, and from its log where it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ValidationError

from watcher.config.conf_dir import AGENT
from watcher.fleet.control import Fleet
from watcher.fleet.logs import Line, Wanted, last_lines
from watcher.fleet.polling import is_still
from watcher.fleet.supervisord import Process

ADDRESS_FILE = f"{AGENT}.json"

_LINES = 20
"""How far back in its log the agent's reason is looked for; it says it once, and then keeps quiet."""
_STEP_SECONDS = 1
"""supervisord rounds a process's start down to a second, and the log is a moment younger."""


class Address(BaseModel):
    """The agent's process, and the URL at which it can be asked from this host. `birth` tells it from others of its `pid`."""

    pid: int
    url: str
    birth: str = ""


def read_address(run_dir: Path) -> Address | None:
    """Where the agent that runs listens; None if none does."""
    try:
        address = Address.model_validate_json((run_dir / ADDRESS_FILE).read_bytes())
    except (OSError, ValidationError):
        return None
    return address if is_still(address.pid, address.birth) else None


@dataclass(frozen=True, slots=True)
class AgentState:
    """Whether an agent is `wanted`, the `url` at which it listens, and why it does not although it should.

    `is_coming`: it was started just now, or tries again, and has not said what hinders it.
    """

    wanted: bool
    url: str = ""
    trouble: str = ""
    hint: str = ""
    is_coming: bool = False


NO_AGENT = AgentState(wanted=False)


def agent_state(fleet: Fleet, process: Process | None) -> AgentState:
    """`process` is the agent's, as supervisord sees it; None where supervisord has none, or does not run."""
    address = read_address(fleet.deployment.run_dir)
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
    """The last error that this process has logged."""
    since = datetime.fromtimestamp(max(process.started_at - _STEP_SECONDS, 0), UTC)
    try:
        lines = last_lines({AGENT: fleet.deployment.log_dir / f"{AGENT}.log"}, _LINES, Wanted(since=since))
    except OSError:
        return None
    return next((line for line in reversed(lines) if _text(line, "level") == "error"), None)


def _text(line: Line, key: str) -> str:
    return str((line.fields or {}).get(key, ""))
