"""Speed of the package for Node: messages a second, alone and with the example's copy in MongoDB behind it.

`python -m benchmarks.node_consumer` starts Apache Kafka and MongoDB, writes messages to three topics, and reads them by turns: with
kafkajs alone, with the package and handlers that do nothing, and with the example's copy, by one write for each message and by
batches. The median of several rounds is told. The clock runs from the first message that a handler got to the end of the last.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.consumer import MESSAGES, TOPICS, fill, message
from tests.support import apache_kafka
from tests.support.node_package import built_package, installed_example
from watcher.sandbox.kafka import ApacheKafka
from watcher.sandbox.mongod import ReplicaSet

ROUNDS = 3
FEW = 4000
"""Messages for what is slow."""

PROGRAM = Path(__file__).with_suffix(".mjs")
COUNTS = {
    "kafkajs": MESSAGES,
    "library": MESSAGES,
    "batches": MESSAGES,
    "copy, one by one": FEW,
    "copy, 16 documents at once": FEW,
    "copy, batches of 500": MESSAGES,
}


def run(mode: str, **settings: Any) -> dict[str, float]:
    """Read in one way; messages, seconds, and seconds of processor time of the process."""
    argument = json.dumps({"mode": mode, "count": COUNTS[mode], "topics": TOPICS, **settings})
    done = subprocess.run(["node", str(PROGRAM), argument], capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> None:
    places = {"dist": str(built_package() / "dist"), "example": str(installed_example())}
    with (
        tempfile.TemporaryDirectory() as directory,
        ApacheKafka(Path(directory) / "kafka", home=apache_kafka.obtain()) as broker,
        ReplicaSet(Path(directory) / "mongo") as mongo,
    ):
        fill(broker)
        settings = {**places, "brokers": [broker.bootstrap], "mongodb": mongo.uri("copy")}
        rounds = [{mode: run(mode, **settings) for mode in COUNTS} for _ in range(ROUNDS)]
    print(f"messages of {len(message(1))} bytes, {ROUNDS} rounds; messages a second, and µs of processor time a message: medians")
    for mode in COUNTS:
        speed = statistics.median(each[mode]["messages"] / each[mode]["seconds"] for each in rounds)
        cpu = statistics.median(each[mode]["cpu"] / each[mode]["messages"] for each in rounds) * 1e6
        print(f"{mode:28}{speed:10,.0f}{cpu:8.1f}")


if __name__ == "__main__":
    main()
