"""Speed of copying the documents that are there already: `python -m benchmarks.snapshot --documents 200000 --runs 1`.

Nothing else goes on. In each run a plain `find` reads the documents, which is the limit that MongoDB sets; a worker delivers them
as the changes that the oplog holds of them; and then the contenders copy them one after another: a worker, exactly once, and with
--peers other programs. A ratio is one within a run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import MongoClient

from benchmarks.catchup import CPU, MEMORY, deliver
from benchmarks.catchup import SPEED as EVENTS_SPEED
from benchmarks.contender import Contender, Watcher, copying_watcher
from benchmarks.figures import Figures, show, summary, with_ratios
from benchmarks.load import DOCUMENTS, SIZES, Backlog, fill
from benchmarks.peers import COPYING_PEERS
from benchmarks.runs import Attempts
from benchmarks.servers import servers
from watcher.sandbox.sandbox import Sandbox

FIND, CATCH_UP = "a plain find", "ours, catching up"
SPEED, OF_FIND, OF_CATCH_UP = "documents/s", "of the find", "of catching up"
RATIOS = {SPEED: "ours times", CPU: "our CPU", MEMORY: "our memory"}


def find(uri: str, backlog: Backlog) -> float:
    """The limit: read all documents and throw them away, from the question to the last reply; documents a second."""
    with MongoClient[dict[str, Any]](uri) as client:
        started = time.perf_counter()
        for _ in client[backlog.database][DOCUMENTS].find_raw_batches():
            pass
        return (backlog.events - 1) / (time.perf_counter() - started)  # all but the end


def copy(sandbox: Sandbox, backlog: Backlog, contender: Contender, prefix: str, limit_s: float) -> Figures:
    """One contender. Errors: as `deliver`."""
    figures = deliver(sandbox, backlog, contender, prefix, limit_s)
    return {SPEED: figures.pop(EVENTS_SPEED), **figures}


def measure(
    sandbox: Sandbox, backlog: Backlog, contenders: Sequence[Contender], attempts: Attempts, prefix: str
) -> dict[str, Figures]:
    """One run: the find, and the contenders with their share of it and of catching up, and with what the copying worker has of
    theirs."""
    run: dict[str, Figures] = {FIND: {SPEED: find(sandbox.mongodb_uri(backlog.database), backlog)}}
    for place, contender in enumerate(attempts.in_turn([Watcher(CATCH_UP), *contenders])):
        with attempts.of(contender.name):
            run[contender.name] = copy(sandbox, backlog, contender, f"{prefix}-{place}", attempts.limit_s)
            show(summary([{contender.name: run[contender.name]}]))
    return with_ratios(with_shares(run), contenders[0].name, RATIOS)


def with_shares(run: Mapping[str, Figures]) -> dict[str, Figures]:
    """One run, and what each contender has of the speed of the find and of catching up."""
    bases = {share: run.get(whose, {}).get(SPEED) for share, whose in ((OF_FIND, FIND), (OF_CATCH_UP, CATCH_UP))}
    return {
        name: {**figures, **{share: figures[SPEED] / base for share, base in bases.items() if base and name != FIND}}
        for name, figures in run.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=300_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--peers", choices=COPYING_PEERS, nargs="*", default=[], help="other programs to measure beside")
    options = parser.parse_args()
    contenders = [copying_watcher(), *(COPYING_PEERS[name] for name in options.peers)]
    attempts = Attempts()
    with servers() as sandbox:
        backlog = fill(sandbox.mongodb_uri("backlog"), "backlog", options.documents, size=options.size)
        print(f"{sandbox.kafka.description}; {options.documents} documents, {options.size}", flush=True)
        runs = [measure(sandbox, backlog, contenders, attempts, f"run{number}") for number in attempts.numbers(options.runs)]
    print(f"median of {len(runs)} runs (lowest-highest)")
    show(summary(runs))
    for name, reason in attempts.failed.items():
        print(f"{name} failed: {reason}")


if __name__ == "__main__":
    main()
