"""One server process: start it, wait until it answers, stop it, and hurt it (kill, pause) for fault tests."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
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
# Below the range from which Linux and macOS take the ports of outgoing connections, so that a port is still free at a restart.
PORTS = range(20_000, 32_000)

# The kernel ends a bound process when the *thread* that started it ends, so all are started by one thread that lives as long as we.
_launcher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-launcher")


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens at the moment."""
    return next(port for port in random.sample(PORTS, len(PORTS)) if is_free(port))


def is_free(port: int) -> bool:
    """Whether a server could listen on that port of 127.0.0.1."""
    with socket.socket() as probe:
        # As the servers do: a port whose last connections are still in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until(predicate: Callable[[], bool], timeout_s: float) -> bool:
    """Poll until `predicate` holds; False if it did not within `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while not predicate():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_INTERVAL_S)
    return True


class Server(ABC):
    """A server in a directory and on a port of its own; both stay the same when it is started again.

    It runs in a session of its own, so that a terminal's Ctrl-C reaches only us and we stop the servers in order. And it is bound
    to our life: however we end, the kernel ends it.
    """

    name: str
    start_timeout_s = START_TIMEOUT_S

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.directory = directory
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """The program, by its absolute path, and its arguments."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server does its work; asked repeatedly while it starts."""

    def prepare(self) -> None:
        """Whatever must be done in the directory before each start."""
        self.directory.mkdir(parents=True, exist_ok=True)

    def complaint(self, line: str) -> str | None:
        """What a line of the log says if it is worth showing when the start has failed, else None."""
        return line

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """The file with everything that the server printed."""
        return self.directory / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """The process id while the server runs."""
        return self._process.pid if self._process and self.running else None

    @property
    def running(self) -> bool:
        """Whether the process is there, paused or not."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start the server and return when it answers; raises SandboxError and leaves nothing running if it does not."""
        if self.running:
            return self
        if not is_free(self.port):
            # Not left to the server: whoever has the port might answer in its place.
            raise SandboxError(f"{self.name} cannot listen on {self.address}: the port is taken.", hint="choose another port")
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
        """Ask the server to end, and kill it if it has not within the deadline."""
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
        """kill -9: what a crash or a power cut of the server looks like to its clients."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Freeze the server: connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`."""
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """Stop and start on the same port, with the same data."""
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
        """Send a signal to the server and to whatever it has started."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _wait_until_it_answers(self) -> None:
        wait_until(lambda: not self.running or self.answers(), self.start_timeout_s)
        if not self.running:
            raise self._ended()
        if not self.answers():
            raise SandboxError(
                f"{self.name} did not answer on {self.address} within {self.start_timeout_s:.0f} s.",
                hint=f"the end of its log:\n{self._log_tail()}",
            )

    def _ended(self) -> SandboxError:
        if library := missing_library(self._logged()):
            return SandboxError(f"{self.name} cannot start: the shared library {library} is missing.", hint=how_to_get(library))
        return SandboxError(f"{self.name} ended while it was starting.", hint=f"the end of its log:\n{self._log_tail()}")

    def _log_tail(self) -> str:
        lines = self._logged().splitlines()
        telling = [text for line in lines if (text := self.complaint(line))]
        return "\n".join((telling or lines)[-LOG_LINES_SHOWN:])

    def _logged(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""
