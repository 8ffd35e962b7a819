"""Costs of settings: `python -m benchmarks.options --events 100000`; each beside the defaults, on one backlog, in one run.

The backlog is a mix of medium documents, in a collection that keeps pre-images.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from pymongo import MongoClient

from benchmarks.catchup import SPEED, deliver
from benchmarks.contender import Watcher
from benchmarks.figures import Figures, show, summary
from benchmarks.load import DOCUMENTS, END, Backlog, fill
from benchmarks.runs import Attempts
from benchmarks.servers import servers
from watcher.sandbox.sandbox import Sandbox

DEFAULTS = "the defaults"
OF_DEFAULTS = "of the defaults' events/s"

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    DEFAULTS: {},
    'full_document = "default"': {"full_document": "default"},
    'full_document_before_change = "whenAvailable"': {"full_document_before_change": "whenAvailable"},
    "batch_size = 50": {"batch_size": 50},
    "batch_size = 500": {"batch_size": 500},
    "exclude_fields, 1": {"exclude_fields": ["*.email"]},
    "exclude_fields, 3": {"exclude_fields": ["*.email", "*.roles", "*.address.city"]},
    "watch_collections, 50 names": {"watch_collections": [DOCUMENTS, END, *(f"collection{n}" for n in range(48))]},
    'json_format = "extended"': {"json_format": "extended"},
    'delivery = "at-least-once"': {"delivery": "at-least-once"},
    "compression.type lz4": {"kafka": {"compression.type": "lz4"}},
    "compression.type zstd": {"kafka": {"compression.type": "zstd"}},
}


def prepare(sandbox: Sandbox, events: int, *, size: str = "medium") -> Backlog:
    """A backlog with pre-images."""
    uri = sandbox.mongodb_uri("options")
    with MongoClient[dict[str, Any]](uri) as client:
        client["options"].create_collection(DOCUMENTS, changeStreamPreAndPostImages={"enabled": True})
    return fill(uri, "options", events, size=size, mix=True)


def compare(sandbox: Sandbox, backlog: Backlog, attempts: Attempts, runs: int) -> list[dict[str, Figures]]:
    """The runs; in each, all options in turn, and what each has of the defaults' speed."""
    contenders = [Watcher(name, settings=settings) for name, settings in OPTIONS.items()]
    results = []
    for number in attempts.numbers(runs):
        run: dict[str, Figures] = {}
        for place, contender in enumerate(attempts.in_turn(contenders)):
            with attempts.of(contender.name):
                run[contender.name] = deliver(sandbox, backlog, contender, f"options{number}-{place}", attempts.limit_s)
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
    options = parser.parse_args()
    with servers() as sandbox:
        show(summary(compare(sandbox, prepare(sandbox, options.events), Attempts(), options.runs)))


if __name__ == "__main__":
    main()
