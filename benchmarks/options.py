"""Costs of settings: `python -m benchmarks.options --events 100000`; each beside the defaults, on one backlog, in one run.

The backlog is a mix of medium documents, in a collection that keeps pre-images.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from pymongo import InsertOne, MongoClient

from benchmarks.catchup import CPU, SPEED, deliver
from benchmarks.contender import Watcher
from benchmarks.figures import Figures, show, summary
from benchmarks.load import DOCUMENTS, END, SIZES, Backlog, fill, operations
from benchmarks.runs import Attempts
from benchmarks.servers import servers
from watcher.sandbox.sandbox import Sandbox

DEFAULTS = "the defaults"
OF_DEFAULTS = "of the defaults' events/s"

TENTH = "pipeline, a $match that passes a tenth"
PASSES = {"$match": {"$or": [{"ns.coll": END}, {"documentKey._id": {"$mod": [10, 0]}}]}}

SIZE = "medium"
"""Of the documents, of which load.SIZES has the bytes. The random numbers depend on it."""

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    DEFAULTS: {},
    'full_document = "default"': {"full_document": "default"},
    'full_document_before_change = "whenAvailable"': {"full_document_before_change": "whenAvailable"},
    "batch_size = 50": {"batch_size": 50},
    "batch_size = 500": {"batch_size": 500},
    "exclude_fields, 1": {"exclude_fields": ["*.email"]},
    "exclude_fields, 3": {"exclude_fields": ["*.email", "*.roles", "*.address.city"]},
    TENTH: {"pipeline": json.dumps([PASSES])},
    "transform, which adds a field": {"transform": "benchmarks.transforms:add_field"},
    "watch_collections, 50 names": {"watch_collections": [DOCUMENTS, END, *(f"collection{n}" for n in range(48))]},
    'json_format = "extended"': {"json_format": "extended"},
    'delivery = "at-least-once"': {"delivery": "at-least-once"},
    "compression.type lz4": {"kafka": {"compression.type": "lz4"}},
    "compression.type zstd": {"kafka": {"compression.type": "zstd"}},
}


def prepare(sandbox: Sandbox, events: int, *, size: str = SIZE) -> Backlog:
    """A backlog with pre-images."""
    uri = sandbox.mongodb_uri("options")
    with MongoClient[dict[str, Any]](uri) as client:
        client["options"].create_collection(DOCUMENTS, changeStreamPreAndPostImages={"enabled": True})
    return fill(uri, "options", events, size=size, mix=True)


def passed(backlog: Backlog) -> Backlog:
    """Share of the mix that PASSES leaves."""
    written = operations(backlog.events - 1, SIZES[SIZE], mix=True)
    ids = (one._doc["_id"] if isinstance(one, InsertOne) else one._filter["_id"] for one in written)
    return replace(backlog, events=sum(_id % 10 == 0 for _id in ids) + 1)


def of_all(figures: Figures, share: float) -> Figures:
    """Figures by changes in the source, where only a share of them has been delivered."""
    factors = {name: 1 / share if name == SPEED else share if CPU in name else 1 for name in figures}
    return {name: figure * factors[name] for name, figure in figures.items()}


def measured(sandbox: Sandbox, backlog: Backlog, contender: Watcher, prefix: str, limit_s: float) -> Figures:
    """One option; figures are by changes in the source."""
    left = passed(backlog) if contender.name == TENTH else backlog
    return of_all(deliver(sandbox, left, contender, prefix, limit_s), left.events / backlog.events)


def compare(
    sandbox: Sandbox, backlog: Backlog, attempts: Attempts, runs: int, only: Collection[str] = ()
) -> list[dict[str, Figures]]:
    """The runs; in each, all options in turn, or `only` these, and what each has of the defaults' speed."""
    contenders = [Watcher(name, settings=settings) for name, settings in OPTIONS.items() if not only or name in only]
    results = []
    for number in attempts.numbers(runs):
        run: dict[str, Figures] = {}
        for place, contender in enumerate(attempts.in_turn(contenders)):
            with attempts.of(contender.name):
                run[contender.name] = measured(sandbox, backlog, contender, f"options{number}-{place}", attempts.limit_s)
        base = run.get(DEFAULTS, {}).get(SPEED)
        results.append(
            {name: {**figures, **({OF_DEFAULTS: figures[SPEED] / base} if base else {})} for name, figures in run.items()}
        )
    return results


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=OPTIONS, default=[], metavar="OPTION", help="instead of all")
    options = parser.parse_args()
    with servers() as sandbox:
        show(summary(compare(sandbox, prepare(sandbox, options.events), Attempts(), options.runs, options.only)))


if __name__ == "__main__":
    main()
