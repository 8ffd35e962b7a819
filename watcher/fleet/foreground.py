"""Running the fleet in the foreground, for containers: supervisord is our child, and the workers' logs go to our stdout."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from types import FrameType

from watcher.config import Settings
from watcher.config.files.conf_dir import AGENT
from watcher.fleet import launch
from watcher.fleet.control import Fleet
from watcher.fleet.errors import FleetError
from watcher.fleet.logs.follower import Follower
from watcher.fleet.logs.lines import Line
from watcher.log import iso
from watcher.private import umask_in

_STEP_SECONDS = 0.2
ASK_SECONDS = 2.0


def run_fleet(fleet: Fleet, watchers: Collection[Settings], write: Callable[[Line], None]) -> int:
    """Run supervisord and the enabled `watchers` until SIGTERM, SIGINT or SIGHUP. Returns supervisord's exit code.

    `write` gets each line that the workers log, and a line for each worker that supervisord cannot start. Raises FleetError if this
    fleet already runs.
    """
    fleet.prepare([settings for settings in watchers if settings.name not in fleet.disabled])
    names = [*(settings.name for settings in watchers), *([AGENT] if fleet.agent.wanted else [])]
    logs = Follower({name: fleet.deployment.log_file(name) for name in names})
    with (
        _stop_signals() as stop,
        subprocess.Popen(
            launch.command(fleet.deployment, "--nodaemon", "--silent"),
            cwd=fleet.deployment.run_dir,
            stdin=subprocess.DEVNULL,
            umask=umask_in(fleet.deployment.log_dir),
            start_new_session=True,  # Ctrl-C reaches only us; we pass it on, and the workers drain
        ) as child,
    ):
        refusals = _Refusals(fleet)
        while child.poll() is None:
            if stop.is_set():
                stop.clear()
                _ask_to_stop(fleet, child)
            _pass_on(logs, write)
            refusals.tell(write)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_STEP_SECONDS)
    _pass_on(logs, write)
    logs.close()
    return child.returncode


class _Refusals:
    """Workers that supervisord cannot start, for example because their log is another user's. So they cannot report it there."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._due = time.monotonic()
        self._told: dict[str, str] = {}

    def tell(self, write: Callable[[Line], None]) -> None:
        """Write a line for each such worker, once until it has been started after all. Asks supervisord every ASK_SECONDS."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + ASK_SECONDS
        with contextlib.suppress(FleetError):  # it does not answer yet, or no longer answers
            for name, process in self._fleet.supervisord.processes().items():
                reason = "" if process.is_running else process.spawn_error
                if reason and self._told.get(name) != reason:
                    write(_refusal(name, reason))
                self._told[name] = reason


def _refusal(name: str, reason: str) -> Line:
    """A log line in the format that workers use."""
    now = datetime.now(UTC)
    told = {"ts": iso(now.timestamp()), "level": "error", "event": f"{name} could not be started: {reason}", "watcher": name}
    return Line(name, json.dumps(told), now, told)


def _pass_on(logs: Follower, write: Callable[[Line], None]) -> None:
    for line in logs.read():
        write(line)


def _ask_to_stop(fleet: Fleet, child: subprocess.Popen[bytes]) -> None:
    """Stop all workers at the same time. On a signal alone supervisord would stop them one after the other."""
    try:
        fleet.supervisord.shutdown()
    except FleetError:  # it does not answer yet, or no longer answers
        child.send_signal(signal.SIGTERM)


@contextlib.contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Set the yielded event at any signal that should end the fleet. A SIGHUP that is ignored stays so, as nohup(1) asks for."""
    stop = threading.Event()

    def note(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    ending = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        ending.append(signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in ending}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
