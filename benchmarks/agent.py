"""Costs of the agent beside many watchers at rest, and how fast it, its page and `watcherctl status` answer.

`python -m benchmarks.agent` starts a supervisord with the agent and a program for each watcher. One of them is a real worker,
without servers to talk to; the others only sleep, and their files are the real one's with another name, written anew every 2 s.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from tests.support.background import Background
from tests.support.chromium import chromium, find_chromium
from tests.support.waiting import eventually
from watcher.agent.address import find
from watcher.config import Deployment, load
from watcher.config.agent_settings import AgentSettings, LoadedAgent
from watcher.config.files.conf_dir import AGENT
from watcher.fleet.commands import worker_command
from watcher.fleet.control import Fleet
from watcher.log import iso

REAL = "w00"
WRITE_SECONDS = 2.0
ANSWERS = 20
PAINTS = 5
PAINT = "performance.getEntriesByName('first-contentful-paint')"
START_SECONDS = 60
SETTINGS = """\
mongodb_uri = "mongodb://localhost:1/{name}"
kafka_brokers = "localhost:1"
kafka_client_id = "{name}"
"""


@contextlib.contextmanager
def fleet_of(names: list[str]) -> Iterator[Fleet]:
    """A fleet with these watchers and the agent, all running."""
    with tempfile.TemporaryDirectory(prefix="wb-") as directory:
        deployment = Deployment.locate(Path(directory) / "conf.d")
        deployment.conf_dir.mkdir()
        (deployment.conf_dir / "agent.toml").write_text("port = 0\n")
        for name in names:
            (deployment.conf_dir / f"{name}.toml").write_text(SETTINGS.format(name=name))
        usual = worker_command(deployment)
        agent = LoadedAgent(AgentSettings(port=0))
        fleet = Fleet(deployment, lambda name: usual(name) if name == REAL else ("sleep", "infinity"), agent)
        try:
            fleet.start(load(deployment.conf_dir).watchers.values())
            yield fleet
        finally:
            fleet.down()


def copy(run_dir: Path, name: str, pid: int) -> None:
    """Let the files of watcher `name` be those of the real one, as of now."""
    status = json.loads((run_dir / f"{REAL}.json").read_bytes())
    status |= {"watcher": name, "pid": pid, "state": "streaming", "updatedAt": iso(time.time()), "lastError": None}
    put(run_dir / f"{name}.json", json.dumps(status))
    put(run_dir / f"{name}.prom", (run_dir / f"{REAL}.prom").read_text().replace(f'watcher="{REAL}"', f'watcher="{name}"'))


def put(path: Path, text: str) -> None:
    """As a worker does it."""
    new = path.with_suffix(f"{path.suffix}.new")
    new.write_text(text)
    new.replace(path)


def files_kept_fresh(fleet: Fleet, names: list[str]) -> Background:
    """The status and metrics of the watchers that only sleep, written one after the other as workers would."""
    run_dir = fleet.deployment.run_dir
    eventually(lambda: (run_dir / f"{REAL}.json").exists() and (run_dir / f"{REAL}.prom").exists(), START_SECONDS)
    pids = {name: process.pid for name, process in fleet.supervisord.processes().items()}

    def write(stop: threading.Event) -> None:
        for name in itertools.cycle(names):
            if name != REAL:
                copy(run_dir, name, pids[name])
            if stop.wait(WRITE_SECONDS / len(names)):
                return

    return Background(write, "writing")


def median_ms(action: Callable[[], object]) -> float:
    """Return the seconds it takes."""
    times = []
    for _ in range(ANSWERS):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return 1000 * statistics.median(times)


def used_seconds(process: psutil.Process) -> float:
    """Processor time so far."""
    times = process.cpu_times()
    return times.user + times.system


def share_of_a_core(process: psutil.Process, seconds: float) -> float:
    """In percent, over `seconds`."""
    before = used_seconds(process)
    time.sleep(seconds)
    return 100 * (used_seconds(process) - before) / seconds


def get(url: str) -> bytes:
    """One answer, whatever its status."""
    try:
        with urllib.request.urlopen(url, timeout=START_SECONDS) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.read()


@contextlib.contextmanager
def page_open(url: str) -> Iterator[None]:
    """Somebody who follows the events and asks for the page again after each, as the page does."""
    with urllib.request.urlopen(f"{url}api/stream?data=none", timeout=START_SECONDS) as events:

        def follow(stop: threading.Event) -> None:
            while not stop.is_set():
                if events.readline().startswith(b"data:"):
                    get(url)

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


def measure(fleet: Fleet, seconds: float) -> None:
    """Print the figures."""
    url = eventually(lambda: find(fleet.deployment.address_file), START_SECONDS)
    processes = fleet.supervisord.processes()
    agent, supervisord = psutil.Process(processes[AGENT].pid), psutil.Process(fleet.supervisord.pid())
    time.sleep(WRITE_SECONDS)
    print(f"agent, nobody looking   {share_of_a_core(agent, seconds):6.2f} % of a core")
    print(f"supervisord             {share_of_a_core(supervisord, seconds):6.2f} % of a core")
    with page_open(url):
        print(f"agent, a page open      {share_of_a_core(agent, seconds):6.2f} % of a core")
    for path in ("", "watchers/w01", "metrics", "api/status", "readyz", "healthz", "api/watchers/w01/history"):
        print(f"/{path:24}{median_ms(lambda path=path: get(url + path)):6.1f} ms  {len(get(url + path)):,} bytes")
    print(f"first paint in Chromium {statistics.median(first_paints_ms(url)):6.0f} ms")
    print(f"agent's memory (RSS)    {agent.memory_info().rss / 1e6:6.1f} MB")
    print(f"watcherctl status       {statistics.median(status_seconds(fleet) for _ in range(5)):6.2f} s")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watchers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to look at each share of a core")
    options = parser.parse_args()
    names = [f"w{number:02}" for number in range(options.watchers)]
    with fleet_of(names) as fleet, files_kept_fresh(fleet, names):
        measure(fleet, options.seconds)


if __name__ == "__main__":
    main()
