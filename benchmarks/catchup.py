"""Measures how fast a backlog is delivered, beside the limit: `python -m benchmarks.catchup --events 300000 --runs 3`.

The changes are in the oplog before the worker starts. Each run drains them with a bare getMore loop first, which is the limit that
MongoDB sets, and then lets the contenders deliver them one after another: a worker exactly once, and at least once, and with
--peers other programs. A ratio is one within a run. All of it shares the machine: MongoDB, Apache Kafka (or the demo's broker, with
--broker light), and the contender.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.arrival import ARRIVAL_SECONDS, Arrivals
from benchmarks.contender import DELIVERIES, Contender, Task, watchers
from benchmarks.figures import Figures, show, summary, with_ratios
from benchmarks.load import SIZES, Backlog, drain, fill
from benchmarks.peers import PEERS
from benchmarks.runs import Attempts
from benchmarks.servers import servers
from benchmarks.usage import peak_rss_mb
from watcher.sandbox.sandbox import Sandbox

DRAIN = "drain"
SPEED, OF_DRAIN, CPU, MEMORY = "events/s", "of the drain", "CPU s/million", "peak RSS MiB"
RATIOS = {SPEED: "ours times", CPU: "our CPU", MEMORY: "our memory"}


def deliver(
    sandbox: Sandbox,
    backlog: Backlog,
    contender: Contender,
    prefix: str,
    timeout_s: float = ARRIVAL_SECONDS,
    *,
    tombstones: int = 0,
    also: Callable[[Task, int], Figures] | None = None,
) -> Figures:
    """One contender, on topics of its own; `tombstones` come beside the messages of events. `also` measures more when all events,
    so many, have arrived. Errors: SystemExit when it fails, is late, or has not delivered every event."""
    with TemporaryDirectory(prefix="watcher-benchmark-", ignore_cleanup_errors=True) as directory:
        task = Task(sandbox, backlog.database, backlog.since, prefix, Path(directory))
        arrivals = Arrivals(sandbox.kafka_brokers, task.topics, ends=1 if contender.announces_end else 0)
        with contender.deliver(task) as running:
            assert running.pid
            events = backlog.events if contender.announces_end else backlog.events - 1 - backlog.in_vain
            pids = {"own": running.pid, **server_pids(sandbox)}
            caught_up = arrivals.measure(events, pids, running.check, timeout_s=timeout_s)
            memory = peak_rss_mb(running.pid)
        expected = events - contender.announces_end + tombstones
        if (count := arrivals.count()) != expected:
            raise SystemExit(f"{count} messages have arrived instead of {expected}")
        more = also(task, events) if also else {}
        arrivals.discard()
    cpu = caught_up.cpu_seconds_per_million
    return {
        SPEED: caught_up.events_per_second,
        CPU: cpu["own"],
        **{f"{name} {CPU}": cpu[name] for name in ("mongod", "broker")},
        MEMORY: memory,
        **more,
    }


def server_pids(sandbox: Sandbox) -> dict[str, int]:
    """By name."""
    mongod, kafka = sandbox.mongodb.nodes[0].pid, sandbox.kafka.pid
    assert mongod
    assert kafka
    return {"mongod": mongod, "broker": kafka}


def measure(
    sandbox: Sandbox, backlog: Backlog, contenders: Sequence[Contender], attempts: Attempts, prefix: str
) -> dict[str, Figures]:
    """One run: the drain, and the contenders with their share of it, and with what the first of them has of theirs."""
    limit = drain(sandbox.mongodb_uri(backlog.database), backlog)
    run: dict[str, Figures] = {DRAIN: {SPEED: limit}}
    for place, contender in enumerate(attempts.in_turn(contenders)):
        with attempts.of(contender.name):
            figures = deliver(sandbox, backlog, contender, f"{prefix}-{place}", attempts.limit_s)
            run[contender.name] = {**figures, OF_DRAIN: figures[SPEED] / limit}
            show(summary([{contender.name: run[contender.name]}]))
    return with_ratios(run, contenders[0].name, RATIOS)


def main() -> None:
    """Measure and print; with --output as JSON too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--mix", action="store_true", help="inserts, updates with lookup and deletes, instead of inserts only")
    parser.add_argument("--delivery", choices=DELIVERIES, nargs="+", default=DELIVERIES)
    parser.add_argument("--peers", choices=PEERS, nargs="*", default=[], help="other programs to measure beside")
    parser.add_argument("--broker", choices=("kafka", "light"), default="kafka")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=JSON", help="a further setting of the worker")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    settings = {key: json.loads(value) for key, _, value in (each.partition("=") for each in options.set)}
    contenders = watchers(options.delivery, settings)
    attempts = Attempts()
    with servers(light=options.broker == "light") as sandbox:
        backlog = fill(sandbox.mongodb_uri("backlog"), "backlog", options.events, size=options.size, mix=options.mix)
        print(f"{sandbox.kafka.description}; {options.events} events, {options.size}")
        peers = [PEERS[name] for name in options.peers]
        runs = [
            measure(sandbox, backlog, [*contenders, *peers], attempts, f"run{number}") for number in attempts.numbers(options.runs)
        ]
    results = summary(runs)
    print(f"median of {len(runs)} runs (lowest-highest)")
    show(results)
    for name, reason in attempts.failed.items():
        print(f"{name} failed: {reason}")
    if options.output:
        options.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
