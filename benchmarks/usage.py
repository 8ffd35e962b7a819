"""Usage of processes: CPU seconds between two moments, and the most memory they have ever had."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psutil


class Usage:
    """The CPU seconds that some processes, by name, and their children use from now on."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._before = self._cpu_seconds()

    def cpu_seconds(self) -> dict[str, float]:
        """By name, since the beginning."""
        return {name: seconds - self._before[name] for name, seconds in self._cpu_seconds().items()}

    def _cpu_seconds(self) -> dict[str, float]:
        return {
            name: sum(_cpu_seconds(each) for each in (process, *process.children(recursive=True)))
            for name, process in self._processes.items()
        }


def peak_rss_mb(pid: int) -> float:
    """The most that a process has had in memory at once, in MiB; Linux only."""
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kilobytes) / 1024


def rss_mb(pid: int) -> float:
    """Return the memory that a process has now, in MiB."""
    return float(psutil.Process(pid).memory_info().rss) / 1024**2


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
