"""Memory, lag and messages of each worker, once a second; and what of that a soak is judged by."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil

from tests.support.background import Background
from tests.support.fault_matrix import peak_rss_mb
from tests.support.worker import WorkerProcess

INTERVAL_S = 1.0
MEMORY_TOLERANCE = 0.10
PEAK_LIMIT_MB = 150.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One worker at one moment. `rss_mb` and `peak_mb` are 0 while it is not there, `lag_s` is None until it knows."""

    at: float
    rss_mb: float
    peak_mb: float
    lag_s: float | None
    messages: int


class Sampler(Background):
    """Takes samples in a thread until the `with` block is left; `messages` counts those that have come, by watcher."""

    def __init__(self, workers: Mapping[str, WorkerProcess], messages: Mapping[str, int], started: float) -> None:
        super().__init__(self._run, "sampler")
        self.samples: dict[str, list[Sample]] = {name: [] for name in workers}
        self._workers = workers
        self._messages = messages
        self._started = started

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(INTERVAL_S):
            at = time.monotonic() - self._started
            for name, worker in self._workers.items():
                rss_mb = of_process(worker.pid, lambda pid: psutil.Process(pid).memory_info().rss / 1024**2)
                peak_mb = of_process(worker.pid, peak_rss_mb)
                sample = Sample(at, rss_mb, peak_mb, worker.status.get("lagSeconds"), self._messages[name])
                self.samples[name].append(sample)


def of_process(pid: int, measure: Callable[[int], float]) -> float:
    """Return what `measure` finds; 0 for a process that has just ended."""
    try:
        return measure(pid)
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return 0.0


@dataclass(frozen=True, slots=True)
class Memory:
    """A worker's memory: medians of a run's second and last third, and the highest of all, in MB."""

    second_third: float
    last_third: float
    peak: float

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Memory:
        """The first third is left out: caches are filled then."""
        third = len(samples) // 3
        medians = [
            statistics.median(sample.rss_mb for sample in part) for part in (samples[third : 2 * third], samples[2 * third :])
        ]
        return cls(*medians, max(sample.peak_mb for sample in samples))

    @property
    def change(self) -> float:
        """From the second to the last third, as a share of the second."""
        return self.last_third / self.second_third - 1

    def faults(self) -> list[str]:
        """List for people what is wrong with it."""
        grown = [f"memory changed by {self.change:+.0%}"] if abs(self.change) > MEMORY_TOLERANCE else []
        return grown + ([f"memory reached {self.peak:.0f} MB"] if self.peak > PEAK_LIMIT_MB else [])


def per_second(samples: Sequence[Sample]) -> list[float]:
    """Messages a second, between each two samples."""
    return [(later.messages - earlier.messages) / (later.at - earlier.at) for earlier, later in pairwise(samples)]


def plot(path: Path, samples: Mapping[str, Sequence[Sample]], faults: Sequence[tuple[float, str]], title: str) -> None:
    """Memory, lag and throughput over time as a PNG, with the faults as vertical lines."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (memory, lag, throughput) = plt.subplots(3, sharex=True, figsize=(12, 8), layout="constrained")
    for name, taken in samples.items():
        minutes = [sample.at / 60 for sample in taken]
        memory.plot(minutes, [sample.rss_mb or None for sample in taken], label=f"worker {name}", linewidth=1)
        lag.plot(minutes, [sample.lag_s for sample in taken], label=f"worker {name}", linewidth=1)
        throughput.plot(minutes[1:], per_second(taken), label=f"worker {name}", linewidth=0.8)
    kinds = sorted({kind for _, kind in faults})
    for at, kind in faults:
        for axes in (memory, lag, throughput):
            axes.axvline(at / 60, color=f"C{kinds.index(kind) + len(samples)}", linewidth=0.8, alpha=0.5, zorder=0)
    for axes, label in ((memory, "memory (RSS), MB"), (lag, "lag, s"), (throughput, "messages/s")):
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
    marks = [mpl.lines.Line2D([], [], color=f"C{n + len(samples)}", alpha=0.5, label=kind) for n, kind in enumerate(kinds)]
    memory.legend(handles=[*memory.get_lines()[: len(samples)], *marks], ncols=4, fontsize="small", loc="lower right")
    throughput.set_xlabel("minutes")
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
