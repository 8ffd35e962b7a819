"""mq-bridge, a bridge in Rust with bindings for Python: one route from a collection's change stream to a topic, at least once.

It lives in a virtual environment of its own. A route follows one collection, so it never sees the end of a backlog.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from bson import Timestamp
from pymongo import MongoClient

from benchmarks import environments
from benchmarks.contender import Contender, Task
from benchmarks.load import DOCUMENTS
from benchmarks.peers.kafka_connect import HERE
from tests.support.kafka_connect import PEERS
from watcher.sandbox.process import Server

REQUIREMENTS = HERE / "settings" / "mq-bridge-requirements.txt"
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
    """The Python of its environment. Errors: SandboxError with the reason if it cannot be installed."""
    return environments.python(PEERS / REQUIREMENTS.read_text().strip().replace("==", "-"), REQUIREMENTS)
