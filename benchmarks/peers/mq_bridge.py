"""mq-bridge, a bridge in Rust with bindings for Python: one route from a collection's change stream to a topic, at least once.

It lives in a virtual environment of its own. A route follows one collection, so it never sees the end of a backlog.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from bson import Timestamp
from pymongo import MongoClient

from benchmarks.contender import Contender, Task
from benchmarks.load import DOCUMENTS
from benchmarks.peers.kafka_connect import CACHE, HERE
from watcher.sandbox.errors import SandboxError
from watcher.sandbox.process import Server

REQUIREMENTS = HERE / "settings" / "mq-bridge-requirements.txt"
INSTALL_SECONDS = 300
PROGRAM = "import sys, mq_bridge; mq_bridge.Route.from_file(sys.argv[1]).run()"


@dataclass(frozen=True)
class MqBridge(Contender):
    """One route in a process."""

    name: ClassVar[str] = "mq-bridge"
    announces_end: ClassVar[bool] = False

    def version(self) -> str:
        """As it is pinned."""
        python()
        return REQUIREMENTS.read_text().strip().replace("==", " ")

    def deliver(self, task: Task) -> Route:
        """From the moment that is asked for, which its checkpoint says."""
        return Route(task)


class Route(Server):
    """A process with one route."""

    name = "mq-bridge"

    def __init__(self, task: Task) -> None:
        super().__init__(task.directory)
        self._task = task

    def prepare(self) -> None:
        """Write its settings, and a checkpoint at the task's moment, in the form in which it writes one itself."""
        super().prepare()
        task, route = self._task, json.loads((HERE / "settings" / "mq-bridge.json").read_text())
        checkpoints = self.directory / "checkpoints.json"
        source, sink = route["input"]["mongodb"], route["output"]["kafka"]
        source |= {"url": task.mongodb_uri, "database": task.database, "collection": DOCUMENTS}
        source |= {"checkpoint_store": f"file://{checkpoints}"}
        sink |= {"url": task.brokers, "topic": f"{task.topics}.{DOCUMENTS}"}
        checkpoint = {
            "mqb_checkpoint": 1,
            "source": f"mongodb_change_stream:{task.database}.{DOCUMENTS}",
            "value": json.dumps(token_at(task.mongodb_uri, task.database, task.since)),
            "updated_at_ms": task.since.time * 1000,
        }
        checkpoints.write_text(json.dumps({f"{DOCUMENTS}:{source['cursor_id']}": json.dumps(checkpoint)}))
        self._settings.write_text(json.dumps(route))

    def command(self) -> list[str | Path]:
        """The environment's Python; all work is done in Rust."""
        return [python(), "-c", PROGRAM, self._settings]

    def answers(self) -> bool:
        """It has nothing to ask; that its messages arrive is the answer."""
        return True

    def check(self) -> None:
        """Errors: SystemExit with the end of its output when it has ended."""
        if not self.running:
            raise SystemExit(f"mq-bridge has ended: {self._log_tail()}")

    @property
    def _settings(self) -> Path:
        return self.directory / "route.json"


def token_at(uri: str, database: str, since: Timestamp) -> dict[str, Any]:
    """A resume token for the position of a change stream that starts at `since`."""
    with MongoClient[dict[str, Any]](uri) as client:
        pipeline = [{"$changeStream": {"startAtOperationTime": since}}]
        reply = client[database].command({"aggregate": DOCUMENTS, "pipeline": pipeline, "cursor": {"batchSize": 0}})
        return dict(reply["cursor"]["postBatchResumeToken"])


def python() -> Path:
    """The Python of its environment, made once; raises SandboxError with the reason if it cannot be installed."""
    home = CACHE / REQUIREMENTS.read_text().strip().replace("==", "-")
    program, installed = home / "bin" / "python", home / ".installed"
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not installed.exists():
            venv.create(home, with_pip=True, clear=True)
            command = [program, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS]
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
            if done.returncode != 0:
                raise SandboxError("pip could not install mq-bridge", hint=done.stderr[-2000:])
            installed.touch()
    return program
