"""Results in `benchmarks/results.jsonl`, a line for each part, with the machine and the versions that they were measured with."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import libversion
from psutil import virtual_memory
from pymongo import version as pymongo_version

from benchmarks.figures import Summary
from watcher.sandbox.sandbox import Sandbox

FILE = Path(__file__).parent / "results.jsonl"


@dataclass(frozen=True, slots=True)
class Result:
    """One table: `figures` by whose and of what. `absent` and `failed` have the reason by the contender's name, and `off` tells of
    turns that were measured on a machine that was slower or faster than in the others."""

    part: str
    title: str
    figures: Summary
    conditions: Mapping[str, str]
    absent: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    off: Sequence[str] = field(default_factory=list)

    def write(self, file: Path = FILE) -> None:
        """Replace the older result of the same part. The others stay."""
        results = {**read(file), self.part: self}
        file.write_text("".join(f"{json.dumps(asdict(results[part]))}\n" for part in sorted(results)))


def read(file: Path = FILE) -> dict[str, Result]:
    """All results by part; none if there is no such file."""
    lines = file.read_text().splitlines() if file.exists() else []
    return {result.part: result for result in (Result(**json.loads(line)) for line in lines)}


def conditions(sandbox: Sandbox, versions: Mapping[str, str]) -> dict[str, str]:
    """Time and machine of a measurement; `versions` of the contenders by their names."""
    with sandbox.mongodb.client() as client:
        mongod = client.server_info()["version"]
    return {
        "measured": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} cores ({_processor()}), {virtual_memory().total / 1024**3:.0f} GiB, {platform.system()}",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "MongoDB": mongod,
        "Kafka": sandbox.kafka.description,
        "Python": f"{platform.python_version()}, pymongo {pymongo_version}, librdkafka {libversion()[0]}",
        **versions,
    }


def _processor() -> str:
    models = [
        line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    return models[0] if models else platform.machine()
