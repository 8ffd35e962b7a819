"""Costs of the agent beside many watchers, at rest and busy, and how fast it, its page and `watcherctl status` answer.

`python -m benchmarks.agent` starts a supervisord with the agent and a program for each watcher. One of them is a real worker,
without servers to talk to; the others only sleep, and their files are the real one's with another name. At rest they are written
anew every 2 s, as workers do it; busy ones every second, with other figures each time.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import psutil

from benchmarks.agent_fleet import START_SECONDS, Files, fleet_of
from tests.support.background import Background
from tests.support.chromium import chromium, find_chromium
from tests.support.waiting import eventually
from watcher.agent.address import find
from watcher.config.files.conf_dir import AGENT
from watcher.fleet.control import Fleet

SETTLE_SECONDS = 6.0
"""The time before a share is measured, so that the first page, for which the templates are compiled, is not in it."""

BETWEEN_SECONDS = 0.4
"""The least time between two refreshes of a page, as in `page.js`."""

FULL_SECONDS = 300.0
"""The time after which the sparklines of a busy fleet are full."""

ANSWERS = 20
PAINTS = 5
PAINT = "performance.getEntriesByName('first-contentful-paint')"
PATHS = ("", "watchers/w01", "metrics", "api/status", "readyz", "healthz", "api/watchers/w01/history")


def median_ms(action: Callable[[], object]) -> float:
    """Return the milliseconds it takes."""
    times = []
    for _ in range(ANSWERS):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return 1000 * statistics.median(times)


def used_seconds(pid: int) -> float:
    """Processor time of a process so far, to the nanosecond. What psutil has goes by steps of 10 ms, a tenth of what is measured.

    The number of its clock is that of clock_getcpuclockid(3) in glibc.
    """
    return time.clock_gettime((~pid << 3) | 2)


def share_of_a_core(pid: int, seconds: float) -> float:
    """In percent, over `seconds`."""
    time.sleep(SETTLE_SECONDS)
    before, begin = used_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return 100 * (used_seconds(pid) - before) / (time.monotonic() - begin)


def get(url: str | urllib.request.Request) -> bytes:
    """One answer, whatever its status."""
    try:
        with urllib.request.urlopen(url, timeout=START_SECONDS) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.read()


@contextlib.contextmanager
def page_open(url: str) -> Iterator[None]:
    """Somebody who follows the events and asks for the page again after each, as the page does in a browser."""
    page = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})  # our own address
    with urllib.request.urlopen(f"{url}api/stream?data=none", timeout=START_SECONDS) as events:

        def follow(stop: threading.Event) -> None:
            while not stop.is_set():
                line = events.readline()
                if not line:
                    raise RuntimeError("the agent has ended the stream of events")
                if line.startswith(b"data:"):
                    get(page)
                    stop.wait(BETWEEN_SECONDS)

        with Background(follow, "following"):
            yield


def first_paints_ms(url: str) -> Iterator[float]:
    """Chromium's own `first-contentful-paint` of the overview, each in a new context, so that nothing is cached."""
    program = find_chromium()
    if program is None:
        raise SystemExit("needs Chromium: apt-get install chromium")
    with chromium(program) as browser:
        for _ in range(PAINTS):
            with browser.new_context(base_url=url) as context:
                page = context.new_page()
                page.goto("/")
                page.wait_for_function(f"{PAINT}.length > 0")
                yield page.evaluate(f"{PAINT}[0].startTime")


def status_seconds(fleet: Fleet) -> float:
    """`watcherctl status`, as a process of its own."""
    command = [sys.executable, "-m", "watcher", "status", "--config", str(fleet.deployment.conf_dir)]
    begin = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    return time.perf_counter() - begin


def measure_shares(fleet: Fleet, url: str, seconds: float) -> None:
    """Print how much of a core the agent and supervisord take."""
    agent, supervisord = fleet.supervisord.processes()[AGENT].pid, fleet.supervisord.pid()

    def tell(what: str, pid: int) -> None:
        print(f"{what:28}{share_of_a_core(pid, seconds):6.2f} % of a core", flush=True)

    tell("agent, nobody looking", agent)
    tell("supervisord", supervisord)
    with page_open(url):
        tell("agent, a page open", agent)


def measure_answers(fleet: Fleet, url: str) -> None:
    """Print how long answers take, and the agent's memory."""
    for path in PATHS:
        print(f"/{path:27}{median_ms(lambda path=path: get(url + path)):6.1f} ms  {len(get(url + path)):,} bytes")
    memory = psutil.Process(fleet.supervisord.processes()[AGENT].pid).memory_info().rss
    print(f"agent's memory (RSS)        {memory / 1e6:6.1f} MB")
    print(f"watcherctl status           {statistics.median(status_seconds(fleet) for _ in range(5)):6.2f} s")
    print(f"first paint in Chromium     {statistics.median(first_paints_ms(url)):6.0f} ms")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watchers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to look at each share of a core")
    parser.add_argument("--full", type=float, default=FULL_SECONDS, help="seconds of a busy fleet before its share is measured")
    options = parser.parse_args()
    names = [f"w{number:02}" for number in range(options.watchers)]
    with fleet_of(names) as fleet:
        files = Files(fleet, names)
        url = eventually(lambda: find(fleet.deployment.address_file), START_SECONDS)
        with files.kept_fresh():
            measure_shares(fleet, url, options.seconds)
            measure_answers(fleet, url)
            files.is_busy, files.seconds = True, 1.0
            time.sleep(options.full)
            print("the same with a busy fleet")
            measure_shares(fleet, url, options.seconds)


if __name__ == "__main__":
    main()
