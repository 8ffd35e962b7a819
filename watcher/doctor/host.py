"""Checks this host for a fleet: its directories, supervisord and the agent's port, and the machine itself."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from watcher.config.deployment import SUPERVISORD
from watcher.config.fault import shown_path, typed
from watcher.config.files.conf_dir import AGENT
from watcher.doctor import machine
from watcher.doctor.check import Check, Finding, failed, not_checked, ok, warning
from watcher.doctor.configuration import Here
from watcher.doctor.machine import nearest_existing
from watcher.fleet.agent_state import read_address
from watcher.fleet.errors import NotRunning
from watcher.fleet.launch import check_run_dir, refuse_a_second
from watcher.fleet.supervisord import Supervisord
from watcher.private import DIRECTORY_MODE, group_name, is_ours, is_shared, user_name


def socket_place(here: Here) -> Finding:
    """Check that supervisord can create its unix socket. Raises FleetError."""
    check_run_dir(here.deployment)
    path = here.deployment.supervisord_socket
    return ok(f"{shown_path(path)}, {len(os.fsencode(path))} bytes long")


def directories(here: Here) -> Finding:
    """Check that run/ and log/ can be written to, or created, and that the existing files in them can be used."""
    wanted = (here.deployment.run_dir, here.deployment.log_dir)
    closed = [path for path in wanted if not os.access(nearest_existing(path), os.W_OK | os.X_OK)]
    if closed := closed or [path for path in (*_logs(here), *_state(here)) if path.is_dir() or not os.access(path, os.W_OK)]:
        return _unusable(closed, "written to")
    if closed := [path for path in _state(here) if not os.access(path, os.R_OK)]:
        return _unusable(closed, "read")
    missing = "" if all(path.is_dir() for path in wanted) else "; `watcherctl start` makes what is missing"
    return ok(f"{' and '.join(map(shown_path, wanted))} can be written to{missing}")


def _unusable(paths: list[Path], use: str) -> Finding:
    names = " ".join(map(shown_path, paths))
    fix = f"chown {user_name(os.geteuid())} {typed(paths)}, or choose another place with --state-dir"
    return failed(f"{names} cannot be {use}", fix)


def _logs(here: Here) -> Iterator[Path]:
    """The existing logs. One of another user keeps a worker from starting."""
    logs = map(here.deployment.log_file, (SUPERVISORD, AGENT, *here.names))
    return (path for path in logs if path.exists())


def _state(here: Here) -> Iterator[Path]:
    """The existing files in run/ that workers, agent and watcherctl read and write."""
    place = here.deployment
    of_watchers = (path for name in here.names for path in (place.lock_file(name), place.status_file(name)))
    return (path for path in (place.fleet_lock_file, place.key_file, place.address_file, *of_watchers) if path.exists())


def private(here: Here) -> Finding:
    """Check that nobody else can read run/ and log/, but a group that the settings name, or has put anything there."""
    places = [path for path in (here.deployment.run_dir, here.deployment.log_dir) if path.is_dir()]
    if not places:
        return ok("`watcherctl start` makes run/ and log/ for their owner alone")
    group = here.agent.settings.group if here.agent and here.agent.settings else None
    if group and (closed := [path for path in places if not is_shared(path) or group_name(path.stat().st_gid) != group]):
        text = f"{' '.join(map(shown_path, closed))}: the group {group} of conf.d/agent.toml may not read there"
        return warning(text, "make sure that the group exists and that the fleet's user is in it: id; then watcherctl apply")
    may_share = group or here.agent is None
    if open_places := [path for path in places if _is_open(path) and not (may_share and is_shared(path))]:
        names = " ".join(map(shown_path, open_places))
        text = f"{names}: open to other users of this host, who can read logs there, or hold a watcher's lock file and keep it down"
        known = {here.deployment.log_file(name).name for name in here.names}
        fix = f"chmod go= {typed(open_places)}"
        if not all(is_ours(path, known) for path in open_places):
            fix = f"choose a place of their own with --state-dir; or, only if nothing else uses {names}: {fix}"
        return warning(text, fix)
    if strange := [path for place in places for path in sorted(place.iterdir()) if _is_strange(path, place)]:
        names = " ".join(map(shown_path, strange))
        return warning(
            f"{names}: a symbolic link, or not of the same owner as its directory", f"ls -l {typed(strange)}, then remove it"
        )
    for place in places:
        if roots := [path for path in sorted(place.iterdir()) if _is_left_by_root(path, place)]:
            names, owner = " ".join(map(shown_path, roots)), user_name(place.stat().st_uid)
            return warning(f"{names}: root's, as after `sudo watcherctl`; {owner} cannot use them", f"chown {owner} {typed(roots)}")
    shared = [path for path in places if is_shared(path)]
    whom = (
        f"for their owner, and for the group {group_name(shared[0].stat().st_gid)} to read" if shared else "for their owner alone"
    )
    return ok(f"{' and '.join(map(shown_path, places))}: {whom}")


def _is_open(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & ~DIRECTORY_MODE)


def _is_strange(path: Path, place: Path) -> bool:
    """True for a symbolic link, and for a file of another owner than its directory's. Root is no stranger."""
    status = _status(path)
    return status is not None and (stat.S_ISLNK(status.st_mode) or status.st_uid not in {place.stat().st_uid, 0})


def _is_left_by_root(path: Path, place: Path) -> bool:
    """True for root's file in another user's directory, but not for a log: supervisord, run by root, writes others' logs."""
    status = _status(path)
    return status is not None and status.st_uid == 0 != place.stat().st_uid and ".log" not in path.suffixes


def _status(path: Path) -> os.stat_result | None:
    """Return the file's own status; None if it has gone meanwhile, as temporary ones do."""
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def supervisord(here: Here) -> Finding:
    """Check that supervisord answers, or may be started. Raises FleetError."""
    try:
        return ok(f"runs as process {Supervisord(here.deployment.supervisord_socket).pid()}")
    except NotRunning:
        refuse_a_second(here.deployment)
        return ok("does not run; `watcherctl start --all` starts it")


def agent_port(here: Here) -> Finding:
    """Check that the port of the fleet's agent is free, or in use by the agent itself."""
    settings = here.agent.wanted if here.agent else None
    if settings is None:
        return not_checked("because no agent is meant to run" if here.agent else "because it is about the whole fleet")
    place = f"{settings.host}:{settings.port}"
    address = read_address(here.deployment.address_file)
    if address and (settings.port == 0 or f":{settings.port}/" in address.url):
        return ok(f"our agent listens: {address.url}")
    try:
        family, *_, free = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.create_server(free[:2], family=family):
            return ok(f"{place} is free")
    except OSError as error:
        why = "another program has it" if error.errno == errno.EADDRINUSE else error.strerror
        text = f"nothing can listen on {place}: {why}; the fleet runs without its page and metrics"
        return warning(text, "in conf.d/agent.toml: port = 8086, or enabled = false; then watcherctl apply")


CHECKS: tuple[Check[Here], ...] = (
    Check("host.python", machine.python),
    Check("host.socket-path", socket_place),
    Check("host.directories", directories),
    Check("host.private", private, needs=("host.directories",)),
    Check("host.disk-space", machine.disk_space),
    Check("host.file-descriptors", machine.file_descriptors),
    Check("host.memory", machine.memory),
    Check("host.clock", machine.clock),
    Check("host.supervisord", supervisord, needs=("host.socket-path",)),
    Check("host.agent-port", agent_port, needs=("host.supervisord",)),
)
