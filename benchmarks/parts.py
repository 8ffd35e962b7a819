"""The parts of `make bench`: what each measures, on which servers, and after what warm-up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import (
    catchup,
    compression,
    databases,
    fleet,
    formats,
    latency,
    options,
    snapshot,
    snapshot_latency,
    streams,
    takeover,
)
from benchmarks.contender import Contender, copying_watcher, watchers
from benchmarks.figures import Figures, off_turns, show, summary
from benchmarks.load import drain, fill
from benchmarks.pairs import PAIRS
from benchmarks.peers import COPYING_PEERS
from benchmarks.results import Result, conditions
from benchmarks.runs import Attempts
from watcher.sandbox.sandbox import Sandbox

CASES = tuple(f"{size}-{kind}" for size in ("small", "medium", "large") for kind in ("inserts", "mix"))
RATES = (200.0, 1000.0, 5000.0)
FLEETS = (1, 5, 10, 25, 50)
STREAMS = (1, 5, 10)
DATABASES, NEW_DATABASES = 50, 200
GROWTH = (0.1, 1, 5)
"""Backlogs, in the events that are asked for."""

WARM_UP_EVENTS, WARM_UPS = 1_000_000, 2
WARM_UP_RATE, WARM_UP_SECONDS = 1000.0, 75.0
"""The broker's Java compiles what it runs often, and the first contenders would pay for all. Until then it takes 13 µs an event,
and 2 to 3 afterwards; at 1,000 writes/s the p99 of ours fell from run to run, from 183 to 21 ms (10 s each, 2026-11-24)."""

LARGE_DIVISOR = 10
"""Large documents are fewer: a million would be 16 GB of oplog, and as much for each contender in Kafka."""


@dataclass(frozen=True)
class Plan:
    """The figures that are asked for."""

    events: int
    runs: int
    cases: Sequence[str]
    rates: Sequence[float]
    sizes: Sequence[str]
    seconds: float
    fleets: Sequence[int]
    peers: Sequence[str]
    limit_s: float
    results: Path


@dataclass(frozen=True)
class Bench:
    """A part's surroundings: the servers, who takes part, who is absent and why, and when the part's time is over."""

    sandbox: Sandbox
    plan: Plan
    contenders: Sequence[Contender]
    absent: dict[str, str]
    until: float | None

    def attempts(self) -> Attempts:
        """For one table."""
        return Attempts(self.until, self.plan.limit_s)

    def keep(self, part: str, title: str, runs: Sequence[dict[str, Figures]], attempts: Attempts, *, beside: bool = False) -> None:
        """Write a table and show it; `beside`: of the contenders."""
        versions = {contender.name: contender.version() for contender in self.contenders} if beside else {}
        figures = summary(runs)
        result = Result(
            part,
            title,
            figures,
            conditions(self.sandbox, versions),
            self.absent if beside else {},
            dict(attempts.failed),
            off_turns(runs),
        )
        result.write(self.plan.results)
        print(f"{title}: median of {len(runs)} runs (lowest-highest)")
        show(figures)
        for turn in result.off:
            print(f"  {turn}")


def measure_catchup(bench: Bench) -> None:
    """All contenders on one backlog after the other."""
    started, cases = time.monotonic(), bench.plan.cases
    for number, case in enumerate(cases, 1):
        size, kind = case.split("-")
        events = bench.plan.events // (LARGE_DIVISOR if size == "large" else 1)
        database = f"backlog-{case}"
        backlog = fill(bench.sandbox.mongodb_uri(database), database, events, size=size, mix=kind == "mix")
        drain(bench.sandbox.mongodb_uri(database), backlog)  # the first one reads from the disk, and is not measured
        until = bench.until and started + (bench.until - started) * number / len(cases)
        attempts = Attempts(until, bench.plan.limit_s)
        title = f"{events:,} events in the oplog, {size} documents, " + ("inserts" if kind == "inserts" else "mixed operations")
        print(title, flush=True)
        runs = [
            catchup.measure(bench.sandbox, backlog, bench.contenders, attempts, f"{case}-{run}")
            for run in attempts.numbers(bench.plan.runs)
        ]
        bench.keep(f"catchup-{case}", title, runs, attempts, beside=True)


def catch_up_unmeasured(bench: Bench) -> None:
    """The warm-up of most parts."""
    backlog = fill(bench.sandbox.mongodb_uri("warmup"), "warmup", WARM_UP_EVENTS)
    for number in range(WARM_UPS):
        with bench.attempts().of("the warm-up"):
            catchup.deliver(bench.sandbox, backlog, bench.contenders[0], f"warmup-{number}", bench.plan.limit_s)


def write_unmeasured(bench: Bench) -> None:
    """The warm-up of what is done with small transactions."""
    with bench.attempts().of("the warm-up"):
        latency.measure(bench.sandbox, bench.contenders[0], [WARM_UP_RATE], WARM_UP_SECONDS, "warmup")


def stay_cold(bench: Bench) -> None:
    """For what has nothing to do with Kafka."""


def measure_latency(bench: Bench) -> None:
    """All contenders at all rates."""
    attempts = bench.attempts()
    plan = bench.plan
    for rate, runs in latency.compare(bench.sandbox, bench.contenders, plan.rates, plan.seconds, attempts, plan.runs).items():
        bench.keep(f"latency-{rate:g}", f"Latency at {rate:,.0f} writes/s, in ms", runs, attempts, beside=True)


def measure_snapshot(bench: Bench) -> None:
    """All contenders that can copy, on documents of one size after the other; and what a snapshot costs the changes meanwhile."""
    started, steps = time.monotonic(), len(bench.plan.sizes) + 1
    peers = {name: COPYING_PEERS[name] for name in bench.plan.peers if name in COPYING_PEERS}
    absent = {peer.name: bench.absent[peer.name] for peer in peers.values() if peer.name in bench.absent}
    contenders = [copying_watcher(), *(peer for peer in peers.values() if peer.name not in absent)]
    bench = replace(bench, contenders=contenders, absent=absent)
    for number, size in enumerate(bench.plan.sizes, 1):
        documents = bench.plan.events // (LARGE_DIVISOR if size == "large" else 1)
        database = f"copied-{size}"
        backlog = fill(bench.sandbox.mongodb_uri(database), database, documents, size=size)
        snapshot.find(bench.sandbox.mongodb_uri(database), backlog)  # the first one reads from the disk, and is not measured
        attempts = Attempts(bench.until and started + (bench.until - started) * number / steps, bench.plan.limit_s)
        title = f"{documents:,} {size} documents copied"
        print(title, flush=True)
        runs = [
            snapshot.measure(bench.sandbox, backlog, bench.contenders, attempts, f"{size}-{run}")
            for run in attempts.numbers(bench.plan.runs)
        ]
        bench.keep(f"snapshot-{size}", title, runs, attempts, beside=True)
    attempts = bench.attempts()
    documents = snapshot_latency.prepare(bench.sandbox, bench.plan.seconds)
    runs = snapshot_latency.compare(bench.sandbox, documents, bench.plan.seconds, attempts, bench.plan.runs)
    bench.keep("snapshot-latency", f"Latency at {snapshot_latency.RATE:,.0f} writes/s, in ms", runs, attempts)


def measure_fleet(bench: Bench) -> None:
    """1 to 50 watchers."""
    attempts = bench.attempts()
    runs = fleet.compare(bench.sandbox, bench.plan.fleets, bench.plan.events, bench.plan.seconds, attempts, bench.plan.runs)
    bench.keep("fleet", f"Many watchers; {bench.plan.events:,} events over all their databases", runs, attempts)


def measure_databases(bench: Bench) -> None:
    """One stream for many databases, beside a watcher for each; and new databases."""
    attempts, events = bench.attempts(), bench.plan.events // 2
    runs = databases.compare(bench.sandbox, DATABASES, events, attempts, bench.plan.runs)
    bench.keep("databases", f"Many databases on one stream; {events:,} events over all", runs, attempts)
    attempts = bench.attempts()
    runs = databases.compare_new(bench.sandbox, NEW_DATABASES, attempts, bench.plan.runs)
    bench.keep("databases-new", f"From the first insert to its message, of {NEW_DATABASES} new databases", runs, attempts)


def measure_growth(bench: Bench) -> None:
    """Backlogs of three sizes; each worker alone, and exactly once.

    Each is written when the one before is measured: a stream reads on through whatever lies in the oplog behind its own backlog.
    """
    attempts, contender = bench.attempts(), watchers()[0]
    runs: list[dict[str, Figures]] = [{} for _ in range(bench.plan.runs)]
    for share in GROWTH:
        events = int(bench.plan.events * share)
        backlog = fill(bench.sandbox.mongodb_uri(f"growth{events}"), f"growth{events}", events)
        for number, run in enumerate(runs):
            with attempts.of(f"{events:,} events"):
                prefix = f"{backlog.database}-{number}"
                run[f"{events:,} events"] = catchup.deliver(bench.sandbox, backlog, contender, prefix, bench.plan.limit_s)
    bench.keep("growth", "The same with a larger backlog", runs, attempts)


def measure_options(bench: Bench) -> None:
    """The cost of settings."""
    attempts = bench.attempts()
    backlog = options.prepare(bench.sandbox, bench.plan.events // 2)
    runs = options.compare(bench.sandbox, backlog, attempts, bench.plan.runs)
    bench.keep(
        "options", f"What settings cost; {bench.plan.events // 2:,} events, medium documents, mixed operations", runs, attempts
    )


def measure_formats(bench: Bench) -> None:
    """The cost of envelopes and headers."""
    events = bench.plan.events // 2
    for size, mix in formats.CASES:
        attempts = bench.attempts()
        database = f"formats-{size}"
        backlog = fill(bench.sandbox.mongodb_uri(database), database, events, size=size, mix=mix)
        drain(bench.sandbox.mongodb_uri(database), backlog)  # the first one reads from the disk, and is not measured
        deletes = formats.deletes_in(events, size) if mix else 0
        runs = formats.compare(bench.sandbox, backlog, deletes, bench.contenders, attempts, bench.plan.runs, database)
        title = f"What formats cost; {events:,} events, {size} documents, {'mixed operations' if mix else 'inserts'}"
        bench.keep(f"formats-{size}", title, runs, attempts, beside=True)


def measure_compression(bench: Bench) -> None:
    """Gains and costs of compression."""
    events = bench.plan.events // 2
    for size, mix in compression.CASES:
        attempts = bench.attempts()
        database = f"compressed-{size}"
        backlog = fill(bench.sandbox.mongodb_uri(database), database, events, size=size, mix=mix)
        drain(bench.sandbox.mongodb_uri(database), backlog)  # the first one reads from the disk, and is not measured
        runs = compression.compare(bench.sandbox, backlog, attempts, bench.plan.runs, database)
        title = f"Compression; {events:,} events, {size} documents, {'mixed operations' if mix else 'inserts'}"
        bench.keep(f"compression-{size}", title, runs, attempts)


def measure_streams(bench: Bench) -> None:
    """Many streams over one oplog."""
    attempts = bench.attempts()
    runs = streams.compare(bench.sandbox, STREAMS, bench.plan.events, attempts, bench.plan.runs)
    bench.keep("streams", f"Bare change streams over one oplog; {bench.plan.events:,} events over all databases", runs, attempts)


def measure_takeover(bench: Bench) -> None:
    """Pairs that stand in for each other, one of which is taken away."""
    attempts = bench.attempts()
    bench = replace(bench, contenders=[*PAIRS.values()], absent={})
    runs = takeover.compare(bench.sandbox, bench.contenders, bench.plan.runs, attempts)
    bench.keep("takeover", "Seconds without messages when the active one goes away", runs, attempts, beside=True)


@dataclass(frozen=True)
class Part:
    """Its measuring function and warm-up; its share of --minutes, and how long it takes on two cores with all its defaults."""

    measure: Callable[[Bench], None]
    weight: float
    lasts: str
    warm_up: Callable[[Bench], None] = catch_up_unmeasured


PARTS = {
    "catchup": Part(measure_catchup, 40, "7 h"),
    "latency": Part(measure_latency, 30, "60 min", write_unmeasured),
    "snapshot": Part(measure_snapshot, 20, "1 h"),
    "fleet": Part(measure_fleet, 20, "1 h"),
    "databases": Part(measure_databases, 20, "1 h"),
    "options": Part(measure_options, 12, "30 min"),
    "formats": Part(measure_formats, 12, "40 min"),
    "compression": Part(measure_compression, 6, "15 min"),
    "streams": Part(measure_streams, 5, "10 min", stay_cold),
    "growth": Part(measure_growth, 10, "20 min"),
    "takeover": Part(measure_takeover, 10, "30 min", stay_cold),
}
