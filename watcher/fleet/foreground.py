"""The fleet in the foreground, for containers: supervisord as our child, and its workers' logs on our standard output."""

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
from watcher.config.conf_dir import AGENT
from watcher.fleet import launch
from watcher.fleet.control import Fleet
from watcher.fleet.errors import FleetError
from watcher.fleet.log_follower import Follower
from watcher.fleet.logs import Line
from watcher.log import iso
from watcher.private import UMASK

_STEP_SECONDS = 0.2
ASK_SECONDS = 2.0


def run_fleet(fleet: Fleet, watchers: Collection[Settings], write: Callable[[Line], None]) -> int:
    """Run supervisord and the enabled ones of `watchers` until SIGTERM or SIGINT; returns supervisord's exit code.

    `write` gets each line that the workers log, and one for each of them that supervisord cannot start. Raises FleetError if this
    fleet runs already.
    """
    fleet.prepare([settings for settings in watchers if settings.name not in fleet.disabled])
    names = [*(settings.name for settings in watchers), *([AGENT] if fleet.agent.wanted else [])]
    logs = Follower({name: fleet.deployment.log_dir / f"{name}.log" for name in names})
    with (
        _stop_signals() as stop,
        subprocess.Popen(
            launch.command(fleet.deployment, "--nodaemon", "--silent"),
            cwd=fleet.deployment.run_dir,
            stdin=subprocess.DEVNULL,
            umask=UMASK,
            start_new_session=True,  # Ctrl-C reaches us alone; we pass it on, and workers drain
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
    """What supervisord cannot start, as when its log is another user's: such a worker has no log in which it could stand."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._due = time.monotonic()
        self._told: dict[str, str] = {}

    def tell(self, write: Callable[[Line], None]) -> None:
        """Each once, until it was started after all; supervisord is asked every ASK_SECONDS."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + ASK_SECONDS
        with contextlib.suppress(FleetError):  # it does not answer yet, or any more
            for name, process in self._fleet.supervisord.processes().items():
                reason = "" if process.is_running else process.spawn_error
                if reason and self._told.get(name) != reason:
                    write(_refusal(name, reason))
                self._told[name] = reason


def _refusal(name: str, reason: str) -> Line:
    """As workers write theirs."""
    now = datetime.now(UTC)
    told = {"ts": iso(now.timestamp()), "level": "error", "event": f"{name} could not be started: {reason}", "watcher": name}
    return Line(name, json.dumps(told), now, told)


def _pass_on(logs: Follower, write: Callable[[Line], None]) -> None:
    for line in logs.read():
        write(line)


def _ask_to_stop(fleet: Fleet, child: subprocess.Popen[bytes]) -> None:
    """All workers at the same time; of a signal's own accord supervisord would stop one after the other."""
    try:
        fleet.supervisord.shutdown()
    except FleetError:  # it does not answer yet, or any more
        child.send_signal(signal.SIGTERM)


@contextlib.contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that is set by the signals that should end the fleet."""
    stop = threading.Event()

    def note(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
