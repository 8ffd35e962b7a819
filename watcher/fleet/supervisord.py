"""A client for the deployment's private supervisord, over XML-RPC on its unix socket.

API: https://supervisord.org/api.html
"""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from xml.parsers.expat import ExpatError

from watcher.fleet.errors import FleetError, NotRunning, closed_to_us
from watcher.fleet.polling import wait_for
from watcher.fleet.programs import STOP_WAIT_SECONDS
from watcher.pids import birth_of

ANSWER_SECONDS = 10
"""The time limit for supervisord to answer one call."""

_ALREADY_STARTED, _NOT_RUNNING, _SPAWN_ERROR, _ABNORMAL_TERMINATION = 60, 70, 50, 40
_ALREADY_ADDED, _BAD_NAME = 90, 10

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Process:
    """One worker as supervisord sees it.

    `started_at` is in whole seconds since 1970, or 0 if the worker never ran. `pid` is 0 unless it runs. `birth` distinguishes the
    process from an earlier one with the same id; it is empty if it is not known.
    """

    name: str
    state: str
    pid: int = 0
    started_at: int = 0
    exit_status: int = 0
    spawn_error: str = ""
    birth: str = ""

    @property
    def is_running(self) -> bool:
        """True if there is a process."""
        return self.state in {"STARTING", "RUNNING", "STOPPING"}


class Supervisord:
    """The supervisord calls that the fleet needs. Each may raise NotRunning, NotReachable or FleetError."""

    def __init__(self, socket_path: Path) -> None:
        self._path = str(socket_path)

    def is_running(self) -> bool:
        """True if supervisord answers."""
        try:
            self.pid()
        except NotRunning:
            return False
        return True

    def pid(self) -> int:
        """supervisord's own process id."""
        return int(self._call("getPID"))

    def processes(self) -> dict[str, Process]:
        """All processes that supervisord knows, by name."""
        return {info["name"]: _process(info) for info in self._call("getAllProcessInfo")}

    def start(self, name: str) -> None:
        """Start a worker, unless it already runs. One that cannot be spawned shows this in `processes()`."""
        self._tolerating({_ALREADY_STARTED, _SPAWN_ERROR, _ABNORMAL_TERMINATION}, "startProcess", name, False)

    def stop(self, names: Iterable[str]) -> None:
        """Stop workers at the same time and wait until each is gone (SIGKILL after STOP_WAIT_SECONDS)."""
        wanted = set(names)
        for name in sorted(wanted):
            self._tolerating({_NOT_RUNNING, _BAD_NAME}, "stopProcess", name, False)

        def all_gone() -> bool:
            return not any(p.is_running or p.state == "BACKOFF" for p in self.processes().values() if p.name in wanted)

        if not wait_for(all_gone, STOP_WAIT_SECONDS + ANSWER_SECONDS):
            raise FleetError("some workers did not stop", hint="watcherctl status")

    def reload(self) -> None:
        """Let supervisord read its configuration again. Starts and stops nothing."""
        self._call("reloadConfig")

    def add(self, name: str) -> None:
        """Add a program that the last reload found. One with autostart starts at once."""
        self._tolerating({_ALREADY_ADDED}, "addProcessGroup", name)

    def remove(self, name: str) -> None:
        """Remove a program that does not run."""
        self._tolerating({_BAD_NAME}, "removeProcessGroup", name)

    def shutdown(self) -> None:
        """Ask supervisord to stop every worker and itself. Does not wait."""
        self._call("stopAllProcesses", False)  # a shutdown alone would stop them one after the other
        self._call("shutdown")

    def _tolerating(self, codes: set[int], method: str, *arguments: object) -> None:
        try:
            self._raw_call(method, *arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in codes:
                raise _refused(method, fault) from fault

    def _call(self, method: str, *arguments: object) -> Any:
        try:
            return self._raw_call(method, *arguments)
        except xmlrpc.client.Fault as fault:
            raise _refused(method, fault) from fault

    def _raw_call(self, method: str, *arguments: object) -> Any:
        transport = _UnixTransport(self._path)
        with xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=transport) as server:
            return _translated(lambda: getattr(server.supervisor, method)(*arguments), Path(self._path))


def _translated(call: Callable[[], T], path: Path) -> T:
    try:
        return call()
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NotRunning from error
    except PermissionError as error:
        raise closed_to_us(path) from error
    except TimeoutError as error:
        raise FleetError(f"supervisord did not answer within {ANSWER_SECONDS} s", hint="see log/supervisord.log") from error
    except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError, xmlrpc.client.ResponseError, ExpatError) as error:
        raise FleetError(f"supervisord broke off the conversation: {error!r}", hint="see log/supervisord.log") from error


def _refused(method: str, fault: xmlrpc.client.Fault) -> FleetError:
    return FleetError(f"supervisord refused {method}: {fault.faultString}", hint="see log/supervisord.log")


def _process(info: dict[str, Any]) -> Process:
    return Process(
        name=info["name"],
        state=info["statename"],
        pid=info["pid"],
        started_at=info["start"],
        exit_status=info["exitstatus"],
        spawn_error=info["spawnerr"],
        birth=birth_of(info["pid"]) if info["pid"] else "",
    )


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ANSWER_SECONDS)
        self.sock.connect(self._path)


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = _UnixConnection(self._path)
        self._connection = host, connection  # `close` closes this one
        return connection
