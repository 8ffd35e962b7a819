"""Starting supervisord, either as a daemon that outlives the terminal or in the foreground, and stopping it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from watcher.config.deployment import SUPERVISORD, Deployment
from watcher.fleet.errors import FleetError, NotReachable, NotRunning, closed_to_us, in_time
from watcher.fleet.files import base_text, write_if_changed
from watcher.fleet.lost import lost_supervisord
from watcher.fleet.polling import is_still, wait_for
from watcher.fleet.programs import STOP_WAIT_SECONDS
from watcher.fleet.supervisord import Supervisord
from watcher.pids import birth_of
from watcher.private import make_directory, umask_in

SOCKET_PATH_BYTES = 95
"""The longest allowed path of the socket. A unix socket's path may have 107 bytes, and supervisord first binds to this path with
its process id appended."""

_START_SECONDS = 20
_DOWN_SECONDS = STOP_WAIT_SECONDS + 10
_UNUSABLE = re.compile(r"[%*?\[\]\x00-\x1f\x7f]")


def prepare(deployment: Deployment) -> None:
    """Make `run/` and `log/`, and write the base configuration to `run/`. Raises FleetError if supervisord could not work there."""
    check_run_dir(deployment)
    try:
        make_run_dir(deployment)
        make_directory(deployment.log_dir, deployment.logs_of_conf_dir)
        write_if_changed(deployment.supervisord_config, base_text(deployment.supervisord_base))
    except PermissionError as error:
        raise _not_writable(error.filename) from error


def make_run_dir(deployment: Deployment) -> None:
    """Make `run/`, but none in place of one that was moved away under a running supervisord. Errors: FleetError, OSError."""
    if not deployment.run_dir.exists():
        refuse_a_second(deployment)
    try:
        make_directory(deployment.run_dir)
    except PermissionError as error:
        raise _not_writable(error.filename) from error


def check_ours(deployment: Deployment) -> None:
    """Raise NotReachable if `run/` or `log/` is closed to this user: their files would seem to be missing."""
    for directory in (deployment.run_dir, deployment.log_dir):
        if os.access(directory, os.F_OK) and not os.access(directory, os.R_OK | os.X_OK):
            raise closed_to_us(directory)


def check_writable(deployment: Deployment) -> None:
    """Raise FleetError if supervisord would end with a traceback because it may not write to `run/` or `log/`."""
    for directory in (deployment.run_dir, deployment.log_dir):
        if not os.access(directory, os.W_OK | os.X_OK):
            raise _not_writable(directory)


def _not_writable(path: Path | str) -> FleetError:
    return FleetError(
        f"cannot write to {path}", hint="give it to the user who runs watcherctl, or choose another place with --state-dir"
    )


def check_run_dir(deployment: Deployment) -> None:
    """Raise FleetError if supervisord could not use `run/` for its socket and its files."""
    run_dir, length = deployment.run_dir, len(os.fsencode(deployment.supervisord_socket))
    if length > SOCKET_PATH_BYTES:
        raise FleetError(
            f"the path of supervisord's socket would be {length} bytes long, and {SOCKET_PATH_BYTES} is the limit: {run_dir}",
            hint="choose a shorter place with --state-dir, such as --state-dir /var/lib/watcher",
        )
    if found := _UNUSABLE.search(str(run_dir)):
        raise FleetError(
            f"supervisord cannot work in a directory whose path holds {found.group()!r}: {run_dir}",
            hint="choose another place with --state-dir",
        )


def command(deployment: Deployment, *options: str) -> list[str]:
    """The command line of supervisord. The caller must set the same umask: supervisord opens its own log before it sets one."""
    umask = f"--umask={umask_in(deployment.log_dir):03o}"
    return [sys.executable, "-m", "supervisor.supervisord", "-c", str(deployment.supervisord_config), umask, *options]


def launch(deployment: Deployment) -> None:
    """Start supervisord as a daemon and wait until it answers. Raises FleetError with supervisord's own reason."""
    check_writable(deployment)
    with in_time("supervisord's start"):
        result = subprocess.run(
            command(deployment),
            cwd=deployment.run_dir,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_START_SECONDS,
            check=False,
            umask=umask_in(deployment.log_dir),
            start_new_session=True,  # Ctrl-C is for us alone: it would leave supervisord half started
        )
    if result.returncode:
        raise FleetError(f"supervisord did not start: {_reason(result.stderr)}", hint=f"see {deployment.log_file(SUPERVISORD)}")
    if not wait_for(Supervisord(deployment.supervisord_socket).is_running, _START_SECONDS):
        raise FleetError("supervisord started but does not answer", hint=f"see {deployment.log_file(SUPERVISORD)}")


def _reason(stderr: str) -> str:
    """supervisord's error message, or the last line of its traceback, which names the error."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    complaints = [line for line in lines if line.startswith("Error:")] or lines[-1:]
    return complaints[0] if complaints else "it gave no reason"


def shut_down(deployment: Deployment) -> bool:
    """Stop every worker and supervisord, and wait until the processes are gone. Returns False if none was running."""
    supervisord = Supervisord(deployment.supervisord_socket)
    births = {pid: birth_of(pid) for pid in _ask_to_stop(supervisord) or _signal_lost(deployment)}

    def running() -> list[str]:
        return [str(pid) for pid, birth in births.items() if is_still(pid, birth)]

    if not wait_for(lambda: not running(), _DOWN_SECONDS):
        raise FleetError(f"still running: process {', '.join(running())}", hint="see log/supervisord.log")
    return bool(births)


def _ask_to_stop(supervisord: Supervisord) -> list[int]:
    try:
        pids = [supervisord.pid(), *(p.pid for p in supervisord.processes().values() if p.pid)]
        supervisord.shutdown()
    except NotRunning:
        return []
    return pids


def _signal_lost(deployment: Deployment) -> list[int]:
    pid = lost_pid(deployment)
    if pid is None:
        return []
    try:
        os.kill(pid, signal.SIGTERM)
    except PermissionError as error:
        raise NotReachable(
            f"supervisord runs as process {pid} of another user", hint="run watcherctl down as the user who started it"
        ) from error
    return [pid]


def refuse_a_second(deployment: Deployment) -> None:
    """Raise FleetError if an unreachable supervisord runs: another one would start a second set of workers."""
    if pid := lost_pid(deployment):
        raise FleetError(
            in_words_lost(pid),
            hint="put run/ back, if it was moved: the marks of disabled watchers are in it; else watcherctl down, then start again",
        )


def in_words_lost(pid: int) -> str:
    """A sentence that says that this supervisord runs but cannot be reached."""
    return f"supervisord runs as process {pid}, but its socket is gone"


def lost_pid(deployment: Deployment) -> int | None:
    """The process id of this deployment's supervisord if its socket no longer leads to it; None if there is none."""
    return lost_supervisord(deployment.supervisord_config)
