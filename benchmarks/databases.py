"""Many databases: one stream for all beside a watcher for each. `python -m benchmarks.databases --databases 50 --events 100000`.

The writes go around all databases, as those of tenants do, while the workers are paused; so all of it waits for them. Then the time
from the first insert into a database that did not exist before until its message can be read.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic
from pymongo import MongoClient, WriteConcern

from benchmarks.arrival import Arrivals
from benchmarks.catchup import server_pids
from benchmarks.environments import workers_python
from benchmarks.figures import Figures, percentiles, show, summary
from benchmarks.fleet import START_SECONDS, paused
from benchmarks.load import DOCUMENTS, END, SEED, SIZES, document
from benchmarks.runs import Attempts
from benchmarks.servers import servers
from benchmarks.usage import peak_rss_mb
from tests.support.real_fleet import RealFleet
from watcher.sandbox.sandbox import Sandbox

AT_ONCE = 10
"""Documents that are written to a database before it is the next one's turn."""

NEW = "a new database"
MANY = 10
"""The factor of the rows with more databases: 500 for 50."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to watch some databases: by a watcher for each or by one for all; with topics of their own for each or not."""

    name: str
    databases: int
    is_shared: bool = True
    own_topics: bool = False


def ways(databases: int) -> tuple[Way, ...]:
    """The rows of the table."""
    many = databases * MANY
    return (
        Way(f"{databases} watchers", databases, is_shared=False),
        Way(f"one watcher of {databases} databases", databases),
        Way(f"one watcher of {many} databases", many),
        Way(f"one watcher of {many} databases, {{database}} in topics", many, own_topics=True),
    )


def measure(sandbox: Sandbox, way: Way, events: int, prefix: str) -> Figures:
    """Catch up with `events` changes over all databases."""
    names = [f"{prefix}t{number:04}" for number in range(way.databases)]
    topics = f"databases-{prefix}"
    with TemporaryDirectory(prefix="wb-", ignore_cleanup_errors=True) as directory:
        fleet = RealFleet(Path(directory), _settings(sandbox, way, names, prefix, topics), python=workers_python())
        with _own_topics(sandbox, way, names, topics), fleet:
            for watcher in fleet.names:
                fleet.reached(watcher, timeout_s=START_SECONDS)
            arrivals = _arrivals(sandbox, way, names, topics)
            pids = {watcher: fleet.process(watcher).pid for watcher in fleet.names}
            with paused([*pids.values()]):
                write(sandbox, names, events)
            caught_up = arrivals.measure(events + way.databases, {**pids, **server_pids(sandbox)})
            memory = sum(peak_rss_mb(pid) for pid in pids.values())
        arrivals.discard()
    _drop(sandbox, names)
    cpu = caught_up.cpu_seconds_per_million
    return {
        "events/s of all": caught_up.events_per_second,
        "mongod CPU s/million": cpu["mongod"],
        "workers CPU s/million": sum(cpu[watcher] for watcher in pids),
        "peak RSS MiB of all workers": memory,
    }


def measure_new(sandbox: Sandbox, databases: int, prefix: str) -> Figures:
    """Milliseconds from the first insert into each of so many new databases until its message can be read."""
    topics, seconds = f"databases-{prefix}", list[float]()
    way = Way(NEW, databases)
    with TemporaryDirectory(prefix="wb-", ignore_cleanup_errors=True) as directory:
        fleet = RealFleet(Path(directory), _settings(sandbox, way, [], prefix, topics), python=workers_python())
        arrivals = Arrivals(sandbox.kafka_brokers, topics, ends=databases)
        names = [f"{prefix}t{number:04}" for number in range(databases)]
        with fleet, MongoClient[dict[str, Any]](sandbox.mongodb_uri("admin")) as client:
            fleet.reached(prefix, timeout_s=START_SECONDS)
            for name in names:
                started = time.perf_counter()
                client[name][END].insert_one({"_id": 0})
                arrivals.wait_for_end()
                seconds.append(time.perf_counter() - started)
        arrivals.discard()
    _drop(sandbox, names)
    return {f"{name} ms": value * 1000 for name, value in percentiles(seconds).items() if name in ("p50", "p99")}


def write(sandbox: Sandbox, names: Sequence[str], events: int) -> None:
    """Insert `events` documents, AT_ONCE into each database in turn; and, when all is written, an end into each."""
    rng = Random(SEED)
    with MongoClient[dict[str, Any]](sandbox.mongodb_uri("admin")) as client:
        for number in range(0, events, AT_ONCE):
            collection = client[names[number // AT_ONCE % len(names)]].get_collection(DOCUMENTS, write_concern=WriteConcern(1))
            last = min(number + AT_ONCE, events)
            collection.insert_many([document(each, SIZES["small"], rng) for each in range(number, last)], ordered=False)
        for name in names:
            client[name].get_collection(END, write_concern=WriteConcern("majority")).insert_one({"_id": 0})


def _settings(sandbox: Sandbox, way: Way, names: Sequence[str], prefix: str, topics: str) -> Mapping[str, Mapping[str, Any]]:
    common = {
        "kafka_brokers": sandbox.kafka_brokers,
        "kafka_db_changes_topic": f"{topics}.{{database}}.{{collection}}" if way.own_topics else f"{topics}.{{collection}}",
    }
    if way.is_shared:
        shared = {"mongodb_uri": sandbox.mongodb_uri(""), "watch_databases": [f"{prefix}t*"], "kafka_client_id": prefix}
        return {prefix: {**common, **shared}}
    return {name: {**common, "mongodb_uri": sandbox.mongodb_uri(name), "kafka_client_id": name} for name in names}


def _arrivals(sandbox: Sandbox, way: Way, names: Sequence[str], topics: str) -> Arrivals:
    """With topics of their own, those of all databases fill alike, and the last one's end is the end of all."""
    if not way.own_topics:
        return Arrivals(sandbox.kafka_brokers, topics, ends=way.databases)
    first, last = (f"{topics}.{name}" for name in (names[0], names[-1]))
    return Arrivals(sandbox.kafka_brokers, first, end_prefix=last, alike=way.databases)


@contextmanager
def _own_topics(sandbox: Sandbox, way: Way, names: Sequence[str], topics: str) -> Iterator[None]:
    """Create each database's topics but those of `_arrivals`, and delete them in the end: making them is not measured."""
    if not way.own_topics:
        yield
        return
    admin = AdminClient({"bootstrap.servers": sandbox.kafka_brokers})
    created = [f"{topics}.{name}.{DOCUMENTS}" for name in names[1:]] + [f"{topics}.{name}.{END}" for name in names[:-1]]
    for future in admin.create_topics([NewTopic(topic, 1, 1) for topic in created]).values():
        future.result()
    yield
    for future in admin.delete_topics(created).values():
        future.result()


def _drop(sandbox: Sandbox, names: Sequence[str]) -> None:
    with MongoClient[dict[str, Any]](sandbox.mongodb_uri("admin")) as client:
        for name in names:
            client.drop_database(name)


def compare(sandbox: Sandbox, databases: int, events: int, attempts: Attempts, runs: int) -> list[dict[str, Figures]]:
    """The runs; in each, all ways."""
    results = []
    for number in attempts.numbers(runs):
        run: dict[str, Figures] = {}
        for place, way in enumerate(ways(databases)):
            if way.name not in attempts.failed:
                with attempts.of(way.name):
                    run[way.name] = measure(sandbox, way, events, f"r{number}p{place}")
                    show(summary([{way.name: run[way.name]}]))
        results.append(run)
    return results


def compare_new(sandbox: Sandbox, databases: int, attempts: Attempts, runs: int) -> list[dict[str, Figures]]:
    """The runs with new databases."""
    results = []
    for number in attempts.numbers(runs):
        run: dict[str, Figures] = {}
        with attempts.of(NEW):
            run[NEW] = measure_new(sandbox, databases, f"n{number}")
            show(summary([run]))
        results.append(run)
    return results


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", type=int, default=50)
    parser.add_argument("--events", type=int, default=100_000, help="over all databases")
    parser.add_argument("--new", type=int, default=200, help="databases that are created one after the other")
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    with servers() as sandbox:
        show(summary(compare(sandbox, options.databases, options.events, Attempts(), options.runs)))
        show(summary(compare_new(sandbox, options.new, Attempts(), options.runs)))


if __name__ == "__main__":
    main()
