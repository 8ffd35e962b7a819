"""Measures the time and memory of `watcherctl verify`: `python -m benchmarks.verify --documents 1000000`.

A worker delivers the documents first; then verify runs as a process of its own beside it, as a user would run it. Nothing else
is written meanwhile, so what is measured is the reading of the topics and of the collection, and the comparison.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bson import ObjectId
from pymongo import MongoClient

from benchmarks.servers import RunningWorker, servers
from watcher.sandbox.sandbox import Sandbox

DATABASE = "verified"
AT_ONCE = 10_000
DELIVERY_SECONDS = 900.0


def document(number: int) -> dict[str, Any]:
    """As large as a user of the guide's dashboard: about 400 bytes."""
    address = {"street": f"{number} Main Street", "city": "London", "country": "GB"}
    return {"_id": ObjectId(), "name": f"Ada {number}", "number": number, "address": address, "notes": "x" * 200}


def fill(uri: str, documents: int) -> None:
    """Insert them, and update one in ten: those have two messages, on two topics."""
    with MongoClient[dict[str, Any]](uri) as client:
        users = client[DATABASE].users
        for first in range(0, documents, AT_ONCE):
            users.insert_many(map(document, range(first, min(first + AT_ONCE, documents))))
        users.update_many({"number": {"$mod": [10, 0]}}, {"$set": {"seen": True}})


def wait_until_delivered(worker: RunningWorker, messages: int) -> None:
    """Until the worker has committed so many messages."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    while worker.status().get("sequence", 0) < messages:
        if time.monotonic() > deadline:
            raise SystemExit(f"not delivered: {worker.status()}")
        time.sleep(1)


def verify(directory: Path) -> None:
    """Run it, and print its time, its processor time and its memory at the highest."""
    command = [sys.executable, "-m", "watcher", "verify", DATABASE, "--json", "--config", str(directory / "conf.d")]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout
    output = process.stdout.read()
    _, _, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    result = json.loads(output)
    assert result["equal"], output
    print(f"{sum(result['compared'].values())} documents, {result['messages']} messages: {seconds:.1f} s")
    print(f"processor {usage.ru_utime + usage.ru_stime:.1f} s, memory at most {usage.ru_maxrss / 1024:.0f} MiB")


def measure(sandbox: Sandbox, documents: int, runs: int) -> None:
    """Fill, deliver, verify."""
    with TemporaryDirectory() as name, RunningWorker(sandbox, Path(name), DATABASE) as worker:
        fill(sandbox.mongodb_uri(DATABASE), documents)
        wait_until_delivered(worker, documents + (documents + 9) // 10)
        for _ in range(runs):
            verify(Path(name))


def main() -> None:
    """Measure one size, several times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    with servers() as sandbox:
        print(f"{sandbox.kafka.description}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
        measure(sandbox, options.documents, options.runs)


if __name__ == "__main__":
    main()
