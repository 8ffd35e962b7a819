"""tests/support/node/consumer.mjs as a process: a consumer of clients/node, and what its handlers were called with."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.node_package import PROGRAMS, built_package
from tests.support.waiting import eventually

Line = dict[str, Any]
QUICK = {"backoffMs": 1, "attempts": 3, "newTopicsMs": 500, "sessionTimeoutMs": 6000}
"""Options for tests. Kafka takes no shorter session by default."""


class NodeConsumer:
    """The running consumer."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self._process = process
        self._output = output

    @property
    def lines(self) -> list[Line]:
        """All whole lines that it has printed."""
        return [json.loads(line) for line in self._output.read_text().splitlines(keepends=True) if line.endswith("\n")]

    @property
    def log(self) -> str:
        return self._output.with_suffix(".err").read_text()

    def told(self, name: str) -> list[Any]:
        """The values of one kind of line."""
        return [line[name] for line in self.lines if name in line]

    @property
    def changes(self) -> list[Line]:
        """The changes that were handled, in batches or alone."""
        return [each for line in self.lines for each in ([line["change"]] if "change" in line else line.get("batch", ()))]

    @property
    def sequences(self) -> list[int]:
        return [change["sequence"] for change in self.changes]

    def until(self, is_done: Callable[[], object], timeout_s: float = 40) -> None:
        """Wait until it is done; AssertionError if it ends by itself or takes too long."""

        def look() -> bool:
            if is_done():
                return True
            assert self._process.poll() is None, self.lines[-1:] + self.log.splitlines()[-5:]
            return False

        eventually(look, timeout_s)

    def exit_code(self, timeout_s: float = 30) -> int:
        """Its exit code, once it has ended by itself."""
        return self._process.wait(timeout_s)

    def ended(self) -> Line:
        """Its last line, once it has ended by itself."""
        self.exit_code()
        return self.lines[-1]

    def stop(self) -> Line:
        """Ask it to end; its last line."""
        self._process.send_signal(signal.SIGTERM)
        return self.ended()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def node_consumer(
    output: Path, bootstrap: str, group: str, topics: list[str], plan: list[Line], **options: Any
) -> Iterator[NodeConsumer]:
    """Run a consumer; it is killed at the end, unless it has ended before. It writes to the file `output`."""
    config = {"brokers": bootstrap.split(","), "groupId": group, "topics": topics, "options": {**QUICK, **options}}
    argument = json.dumps({"dist": str(built_package() / "dist"), "config": config, "plan": plan})
    with output.open("wb") as stdout, output.with_suffix(".err").open("wb") as stderr:
        process = subprocess.Popen(["node", str(PROGRAMS / "consumer.mjs"), argument], stdout=stdout, stderr=stderr)
    try:
        yield NodeConsumer(process, output)
    finally:
        process.kill()
        process.wait()
