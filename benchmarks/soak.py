"""A soak: load and faults at random for a long time: `python -m benchmarks.soak --minutes 30 --seed 42`.

Two watchers follow two databases with all kinds of writes, documents of 100 kB, and some too large for Kafka. MongoDB, Kafka and
the network to them fail at random, and one of the workers is killed and paused besides. In the end an oracle compares all messages
with all writes. Exit code 1 when one is lost, doubled or out of order, when a dead letter is missing, when a worker has ended by
itself, or when the memory of the worker that is never killed is not flat: the other one's begins anew with each of its lives.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median

from benchmarks.soak_audience import Audience
from benchmarks.soak_faults import Fault, Faults
from benchmarks.soak_load import LargeDocuments, SizedOracle
from benchmarks.soak_samples import Memory, Sample, Sampler, per_second, plot
from benchmarks.soak_servers import STEADY, SoakServers
from tests.support.load import Load
from tests.support.records import Record
from watcher.sandbox.process import wait_until

IMAGE = Path(__file__).parents[1] / "docs" / "images" / "soak.png"
LOAD_PAUSE_S = 0.005
LAST_DOCUMENT = ("users", "last")
ARRIVAL_TIMEOUT_S = 120.0
"""For what is still on its way in the end. What has not come then is lost, and the oracle says so."""


@dataclass(frozen=True, slots=True)
class Result:
    """Findings of a soak. `complaints` is empty if all is well."""

    faults: list[Fault]
    samples: dict[str, list[Sample]]
    writes: dict[str, int]
    records: dict[str, list[Record]]
    large: int
    complaints: list[str]


def soak(minutes: float, seed: int) -> Result:
    """Run it."""
    with SoakServers() as servers, Audience(servers.kafka.bootstrap, servers.topics()) as audience:
        started = time.monotonic()
        rngs = {name: Random(f"{seed} {name}") for name in servers.workers}
        oracles = {name: SizedOracle(servers.client[name], rngs[name]) for name in servers.workers}
        with Sampler(servers.workers, audience.counts, started) as sampler:
            with ExitStack() as load:
                for name, oracle in oracles.items():
                    load.enter_context(Load(oracle, seed=rngs[name].randrange(2**32), pause_s=LOAD_PAUSE_S))
                large = [load.enter_context(LargeDocuments(oracle, Random(f"{seed} {name}"))) for name, oracle in oracles.items()]
                faults = Faults(servers, audience.counts, Random(f"{seed} faults")).make(started, started + minutes * 60)
            samples = {name: [*taken] for name, taken in sampler.samples.items()}
        records = {name: arrived(servers, audience, oracle, name) for name, oracle in oracles.items()}
    writes = {name: oracle.certain_writes for name, oracle in oracles.items()}
    complaints = [f"{name}: {text}" for name in oracles for text in compared(oracles[name], records[name])]
    complaints += [f"{STEADY}: {text}" for text in Memory.of(samples[STEADY]).faults()]
    return Result(faults, samples, writes, records, sum(each.inserted for each in large), complaints)


def arrived(servers: SoakServers, audience: Audience, oracle: SizedOracle, name: str) -> list[Record]:
    """All messages of one watcher; its worker is ended when the last write has come."""
    worker = servers.workers[name]
    oracle.insert(*LAST_DOCUMENT)
    wait_until(lambda: audience.has_seen(name, *LAST_DOCUMENT), ARRIVAL_TIMEOUT_S)
    exit_code = worker.stop()
    if exit_code != 0:
        raise SystemExit(f"worker {name} ended with {exit_code}:\n{worker.output[-5000:]}")
    wait_until(lambda: audience.counts[name] >= worker.status["sequence"], ARRIVAL_TIMEOUT_S)
    return audience.records_of(name)


def compared(oracle: SizedOracle, records: Sequence[Record]) -> list[str]:
    """List for people what is wrong with a watcher's messages."""
    complaints = []
    try:
        oracle.check(records)
    except AssertionError as error:
        complaints.append(str(error))
    messages = [record.json for record in records]
    told = {message["about"]["sequence"] for message in messages if message["operationType"] == "deadLetter"}
    truncated = {message["sequence"] for message in messages if "truncated" in message and "documentKey" in message}
    if untold := truncated ^ told:
        complaints.append(f"truncated messages without a dead letter, or the other way round: {sorted(untold)[:5]}")
    return complaints


def report(result: Result) -> None:
    """Print what was found."""
    print(f"\n{len(result.faults)} faults; both workers delivered again after {recoveries(result.faults)}")
    for name, samples in result.samples.items():
        memory, rates = Memory.of(samples), per_second(samples)
        lags = [sample.lag_s for sample in samples if sample.lag_s is not None]
        dead = sum(record.json["operationType"] == "deadLetter" for record in result.records[name])
        print(
            f"{name}: {result.writes[name]} writes acknowledged, {len(result.records[name])} messages ({dead} dead letters); "
            f"{median(rates):.0f} messages/s (median), lag {median(lags):.0f} s (median), {max(lags):.0f} s (worst)\n"
            f"{name}: memory {memory.second_third:.1f} MB in the second third, {memory.last_third:.1f} MB in the last "
            f"({memory.change:+.1%}), at most {memory.peak:.1f} MB"
        )
    for complaint in result.complaints:
        print(f"WRONG: {complaint}")
    if not result.complaints:
        print("nothing lost, nothing doubled, nothing out of order; memory is flat")


def recoveries(faults: Sequence[Fault]) -> str:
    """The median and the worst."""
    seconds = [fault.recovery_s for fault in faults]
    return f"{median(seconds):.1f} s (median), {max(seconds):.1f} s (worst)"


def main() -> None:
    """Run a soak, plot it, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--image", type=Path, default=IMAGE)
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.minutes:g} minutes", flush=True)
    result = soak(options.minutes, options.seed)
    title = f"{options.minutes:g} minutes, {len(result.faults)} faults, seed {options.seed}"
    plot(options.image, result.samples, [(fault.at, fault.kind) for fault in result.faults], title)
    report(result)
    print(f"plotted to {options.image}")
    sys.exit(bool(result.complaints))


if __name__ == "__main__":
    main()
