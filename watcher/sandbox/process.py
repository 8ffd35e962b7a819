"""One server process: starts it, waits until it answers, stops it, and harms it (kill, pause) for fault tests."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from watcher.sandbox import bound
from watcher.sandbox.errors import SandboxError
from watcher.sandbox.shared_libraries import how_to_get, missing_library

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
POLL_INTERVAL_S = 0.02
LOG_LINES_SHOWN = 12
# Ports below the range that Linux and macOS use for outgoing connections, so that a port is still free at a restart.
PORTS = range(20_000, 32_000)

# The kernel ends a bound process when the *thread* that started it ends. So one thread, which lives as long as we do, starts all.
_launcher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-launcher")


_given: deque[int] = deque()
"""Ports that this process has given out, the latest last."""


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens at the moment. It is none of the last that were given out, because their
    servers may still be about to listen."""
    while len(_given) > len(PORTS) // 2:
        _given.popleft()
    port = next(port for port in random.sample(PORTS, len(PORTS)) if port not in _given and is_free(port))
    _given.append(port)
    return port


def is_free(port: int) -> bool:
    """True if a server could listen on that port of 127.0.0.1."""
    with socket.socket() as probe:
        # The servers set this too: a port whose last connections are still in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until(predicate: Callable[[], bool], timeout_s: float) -> bool:
    """Poll until `predicate` holds. Return False if it did not within `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while not predicate():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_INTERVAL_S)
    return True


class Server(ABC):
    """A server with a directory and a port of its own. Both stay the same when it is started again.

    It runs in a session of its own, so that a terminal's Ctrl-C reaches only us, and we stop the servers in order. It is also bound
    to our life: however we end, the kernel ends it.
    """

    name: str
    start_timeout_s = START_TIMEOUT_S

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.directory = directory
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None
        # Starts the launcher's thread here, where no Ctrl-C raises. One in the middle of that would leave a thread behind, and the
        # interpreter would wait for it at its end, for ever.
        _launcher.submit(int)

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """The program, as an absolute path, and its arguments."""

    @abstractmethod
    def answers(self) -> bool:
        """True if the server does its work. Asked repeatedly while it starts."""

    def ports(self) -> Sequence[int]:
        """All ports of 127.0.0.1 on which the server will listen."""
        return (self.port,)

    def prepare(self) -> None:
        """Prepare the directory before each start."""
        self.directory.mkdir(parents=True, exist_ok=True)

    def complaint(self, line: str) -> str | None:
        """Return the text of a log line if it is worth showing after a failed start, else None."""
        return line

    @property
    def address(self) -> str:
        """The address, `127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """The file with everything that the server has printed."""
        return self.directory / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """The process id while the server runs, else None."""
        return self._process.pid if self._process and self.running else None

    @property
    def running(self) -> bool:
        """True if the process exists, paused or not."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start the server, and return when it answers. If it does not, raise SandboxError and leave nothing running."""
        if self.running:
            return self
        if taken := next((port for port in self.ports() if not is_free(port)), None):
            # The server must not find this out itself: whoever has the port might answer in its place, or the server answers on one
            # of several ports before it ends for want of another.
            hint = "choose another port" if taken == self.port else "start it again: it chooses this port itself"
            raise SandboxError(f"{self.name} cannot listen on 127.0.0.1:{taken}: the port is taken.", hint=hint)
        self.prepare()
        launching = _launcher.submit(self._launch)
        try:
            launching.result()
            self._wait_until_it_answers()
        except BaseException:
            wait([launching])
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """Ask the server to end, and kill it if it has not done so by the deadline."""
        if self._process is None:
            return
        try:
            self._signal(signal.SIGTERM)
            self.resume()
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill the server with SIGKILL. To its clients this looks like a crash or a power cut."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Freeze the server. Connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`."""
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """Stop the server, and start it again on the same port with the same data."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _launch(self) -> None:
        command = [sys.executable, "-I", "-S", bound.__file__, str(os.getpid()), *self.command()]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the server and to every process that it has started."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _wait_until_it_answers(self) -> None:
        has_answered = False

        def is_known() -> bool:
            nonlocal has_answered
            has_answered = self.running and self.answers()
            return has_answered or not self.running

        wait_until(is_known, self.start_timeout_s)
        if not self.running:
            raise self.ended("while it was starting")
        if not has_answered:
            raise SandboxError(
                f"{self.name} did not answer on {self.address} within {self.start_timeout_s:.0f} s.",
                hint=f"the end of its log:\n{self._log_tail()}",
            )

    def ended(self, how: str) -> SandboxError:
        """Return the error about a server that has ended. `how` completes the sentence "mongod ended …"."""
        if library := missing_library(self._logged()):
            return SandboxError(f"{self.name} cannot start: the shared library {library} is missing.", hint=how_to_get(library))
        return SandboxError(f"{self.name} ended {how}.", hint=f"the end of its log:\n{self._log_tail()}")

    def _log_tail(self) -> str:
        lines = self._logged().splitlines()
        telling = [text for line in lines if (text := self.complaint(line))]
        return "\n".join((telling or lines)[-LOG_LINES_SHOWN:])

    def _logged(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""
