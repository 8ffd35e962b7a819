"""How fast a backlog is delivered, beside the limit: `python -m benchmarks.catchup --events 300000 --runs 3`.

The changes are in the oplog before the worker starts. Each run drains them with a bare getMore loop first, which is the limit that
MongoDB sets, and then lets a worker deliver them exactly once, and at least once; a ratio is one within a run. All of it shares the
machine: MongoDB, Apache Kafka (or the demo's broker, with --broker light), and the worker.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.arrival import Arrivals
from benchmarks.load import SIZES, Backlog, drain, fill
from benchmarks.servers import RunningWorker, servers
from benchmarks.usage import peak_rss_mb
from watcher.sandbox.sandbox import Sandbox

DELIVERIES = ("exactly-once", "at-least-once")

Figures = dict[str, float]
"""By what it is a figure of."""


def deliver(sandbox: Sandbox, backlog: Backlog, prefix: str, **settings: Any) -> Figures:
    """One worker, on topics of its own."""
    arrivals = Arrivals(sandbox.kafka_brokers, prefix)
    given = {
        "kafka_client_id": prefix,
        "kafka_db_changes_topic": f"{prefix}.{{collection}}",
        "start_from": backlog.start_from,
        **settings,
    }
    with TemporaryDirectory() as directory, RunningWorker(sandbox, Path(directory), backlog.database, **given) as worker:
        caught_up = arrivals.measure(backlog.events, {"worker": worker.pid, **server_pids(sandbox)}, worker.check)
        return {
            "events/s": caught_up.events_per_second,
            **{f"{name} CPU s/million": seconds for name, seconds in caught_up.cpu_seconds_per_million.items()},
            "peak RSS MiB": peak_rss_mb(worker.pid),
        }


def server_pids(sandbox: Sandbox) -> dict[str, int]:
    """By name."""
    mongod, kafka = sandbox.mongodb.nodes[0].pid, sandbox.kafka.pid
    assert mongod
    assert kafka
    return {"mongod": mongod, "broker": kafka}


def measure(sandbox: Sandbox, backlog: Backlog, prefix: str, deliveries: Sequence[str], **settings: Any) -> dict[str, Figures]:
    """One run: the drain, and the worker's deliveries with their share of it."""
    limit = drain(sandbox.mongodb_uri(backlog.database), backlog)
    results: dict[str, Figures] = {"drain": {"events/s": limit}}
    for delivery in deliveries:
        figures = deliver(sandbox, backlog, f"{prefix}-{delivery}", delivery=delivery, **settings)
        results[delivery] = {**figures, "of the drain": figures["events/s"] / limit}
    return results


def summary(runs: Sequence[Mapping[str, Figures]]) -> dict[str, dict[str, Figures]]:
    """Median, lowest and highest of each figure over the runs."""
    return {who: {name: _spread([run[who][name] for run in runs]) for name in figures} for who, figures in runs[0].items()}


def _spread(values: Sequence[float]) -> Figures:
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


def show(results: Mapping[str, Mapping[str, Figures]]) -> None:
    """One line for each who, with medians and spread."""
    for who, figures in results.items():
        cells = (f"{name} {each['median']:,.6g} ({each['lowest']:,.5g}-{each['highest']:,.5g})" for name, each in figures.items())
        print(f"{who:15}", "  ".join(cells))


def main() -> None:
    """Measure and print; with --output as JSON too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--mix", action="store_true", help="inserts, updates with lookup and deletes, instead of inserts only")
    parser.add_argument("--delivery", choices=DELIVERIES, nargs="+", default=DELIVERIES)
    parser.add_argument("--broker", choices=("kafka", "light"), default="kafka")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=JSON", help="a further setting of the worker")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    settings = {key: json.loads(value) for key, _, value in (each.partition("=") for each in options.set)}
    with servers(light=options.broker == "light") as sandbox:
        backlog = fill(sandbox.mongodb_uri("backlog"), "backlog", options.events, size=options.size, mix=options.mix)
        print(
            f"{sandbox.kafka.description}; {options.events} events, {options.size}, median of {options.runs} runs (lowest-highest)"
        )
        runs = [measure(sandbox, backlog, f"run{n}", options.delivery, **settings) for n in range(options.runs)]
    results = summary(runs)
    show(results)
    if options.output:
        options.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
