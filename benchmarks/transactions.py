"""Parts of a transaction's time: `python -m benchmarks.transactions --rates 200 1000 --seconds 20`.

As `benchmarks.latency`, with a worker that notes when it reads from MongoDB, hands over to librdkafka, commits and rests, and with
librdkafka's count of its requests. More than one AddPartitionsToTxn for a transaction means that Kafka has refused some, because it
was not done with the transaction before (CONCURRENT_TRANSACTIONS). librdkafka tries again after 20 ms.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.contender import Running, Task, Watcher
from benchmarks.figures import Figures, percentiles
from benchmarks.latency import measure
from benchmarks.parts import WARM_UP_RATE, WARM_UP_SECONDS
from benchmarks.servers import RunningWorker, servers


@dataclass(frozen=True)
class TracedWatcher(Watcher):
    """This project, its transactions noted in `trace`."""

    name: str = "ours, traced"
    trace: Path = field(kw_only=True)

    def deliver(self, task: Task) -> AbstractContextManager[Running]:
        """Run the worker by the module that notes its transactions."""
        program = ("benchmarks.traced_worker", str(self.trace))
        return RunningWorker(task.sandbox, task.directory, task.database, wait=False, program=program, **self.settings_for(task))


def report(rows: Sequence[Figures], since: float) -> None:
    """Print the parts of the transactions since then, in milliseconds, and the requests for each over the whole run."""
    *all_rows, requests = rows
    recent = [row for row in all_rows if row["at"] >= since]
    print(f"  {len(recent)} transactions")
    for part in dict.fromkeys(part for row in recent for part in row if part != "at"):
        milliseconds = [1000 * row.get(part, 0.0) for row in recent]
        figures = {"mean": statistics.fmean(milliseconds), **percentiles(milliseconds)}
        print(f"  {part:20}", *(f"{name} {figure:6.2f}" for name, figure in figures.items()))
    print("  requests a transaction:", *(f"{name} {number:.3f}" for name, number in per_transaction(requests).items()))


def per_transaction(requests: Figures) -> Figures:
    """Requests for each that ends a transaction, of those kinds of which there were any."""
    ended = requests.get("EndTxn", 0)
    return {name: number / ended for name, number in requests.items() if number and ended}


def main() -> None:
    """Measure each rate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[200.0, 1000.0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--warm-up", type=float, default=WARM_UP_SECONDS, help="seconds before, in which Java compiles")
    options = parser.parse_args()
    with servers() as sandbox, TemporaryDirectory() as directory:
        if options.warm_up:
            measure(sandbox, Watcher("warm-up"), [WARM_UP_RATE], options.warm_up, "warmup")
        for rate in options.rates:
            trace = Path(directory) / f"{rate:g}"
            results = measure(sandbox, TracedWatcher(trace=trace), [rate], options.seconds, f"traced{rate:g}")
            since = time.perf_counter() - options.seconds
            print(f"{rate:g} writes/s;", *(f"{name} {figure:.1f} ms" for name, figure in results[rate].items()))
            report([json.loads(line) for line in trace.read_text().splitlines()], since)


if __name__ == "__main__":
    main()
