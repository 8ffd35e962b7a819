"""`make bench`: every figure of docs/performance.md, in parts: `python -m benchmarks.bench --part catchup --events 100000`.

Each part writes its results when it is done, and at the end the tables and plots of docs/performance.md are written anew. With
--minutes no run is begun that would not be done in time; the parts share the time by their weights.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.contender import Contender, watchers
from benchmarks.load import SIZES
from benchmarks.parts import CASES, FLEETS, PARTS, RATES, Bench, Plan
from benchmarks.peers import PEERS
from benchmarks.results import FILE
from benchmarks.servers import servers
from watcher.sandbox.errors import SandboxError

FULL_EVENTS = 1_000_000


def present(names: Sequence[str]) -> tuple[list[Contender], dict[str, str]]:
    """Ourselves, and the peers that can be had; of the others the reason why not."""
    contenders, absent = watchers(), {}
    for name in names:
        try:
            PEERS[name].version()
            contenders.append(PEERS[name])
        except SandboxError as error:
            absent[PEERS[name].name] = f"{error}: {error.hint}"
            print(f"{PEERS[name].name} is absent: {error}", flush=True)
    return contenders, absent


def ends(parts: Sequence[str], minutes: float | None, now: float) -> dict[str, float | None]:
    """Limits in seconds for each part; None is never."""
    if minutes is None:
        return dict.fromkeys(parts)
    whole = sum(PARTS[part].weight for part in parts)
    passed = 0.0
    result: dict[str, float | None] = {}
    for part in parts:
        passed += PARTS[part].weight
        result[part] = now + minutes * 60 * passed / whole
    return result


def main() -> None:
    """Measure, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=[*PARTS])
    parser.add_argument("--events", type=int, default=FULL_EVENTS)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--minutes", type=float, help="do fewer runs where all would take longer")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES, help="of catchup")
    parser.add_argument("--rates", nargs="+", type=float, default=RATES, help="of latency, in writes a second")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=[*SIZES], help="of snapshot")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each rate of latency, and of idleness")
    parser.add_argument("--watchers", nargs="+", type=int, default=FLEETS, help="of fleet")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=[*PEERS])
    parser.add_argument("--limit", type=float, default=1800.0, help="seconds that one contender may take")
    parser.add_argument("--results", type=Path, default=FILE, help="another file leaves the documentation as it is")
    given = parser.parse_args()
    plan = Plan(
        given.events,
        given.runs,
        given.cases,
        given.rates,
        given.sizes,
        given.seconds,
        given.watchers,
        given.peers,
        given.limit,
        given.results,
    )
    for part in given.part:
        print(f"{part}: in full (EVENTS={FULL_EVENTS}, 3 runs, all cases) about {PARTS[part].lasts} on two cores", flush=True)
    contenders, absent = present(plan.peers)
    until = ends(given.part, given.minutes, time.monotonic())
    for part in given.part:  # servers of its own for each: no part has to live with what another one has left
        started = time.monotonic()
        with servers() as sandbox:
            bench = Bench(sandbox, plan, contenders, absent, until[part])
            PARTS[part].warm_up(bench)
            PARTS[part].measure(bench)
        print(f"{part} took {(time.monotonic() - started) / 60:.1f} min", flush=True)
        if plan.results == FILE:
            report.main()


if __name__ == "__main__":
    main()
