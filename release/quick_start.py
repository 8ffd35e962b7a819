"""Runs the commands of docs/quick-start.md as a newcomer types them. `python -m release.quick_start` counts commands and seconds.

MongoDB and Kafka are servers of the sandbox, given by address as one's own are. They are started before the clock runs.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from watcher.sandbox.kafka import Broker, NoidaBroker
from watcher.sandbox.mongod import ReplicaSet

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "quick-start.md"
SHELL_BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^.*<<'(?P<end>\w+)'\n(?:.*\n)*?(?P=end)\n|^.+\n", re.MULTILINE)
ENVIRONMENT = "watcher-env"
"""Directory of the virtual environment on the page."""

MOST_COMMANDS = 7
MOST_SECONDS = 180
MESSAGE_SECONDS = 30
POLL_SECONDS = 0.1


def commands(text: str) -> list[str]:
    """Return the commands of the page's first shell block. A here-document belongs to its command."""
    found = SHELL_BLOCK.search(text)
    return [command[0] for command in COMMAND.finditer(found[1])] if found else []


class Servers(NamedTuple):
    """Somebody's own MongoDB and Kafka."""

    mongo: ReplicaSet
    kafka: Broker

    def adapt(self, command: str) -> str:
        """Put the addresses into a command, and this repository."""
        command = command.replace("localhost:27017", self.mongo.addresses).replace("localhost:9092", self.kafka.bootstrap)
        return command.replace("<where the repository is>", str(ROOT))


@contextmanager
def servers(directory: Path) -> Iterator[Servers]:
    """A replica set of one and the small broker, on free ports."""
    with ReplicaSet(directory / "mongo") as mongo, NoidaBroker(directory / "kafka") as kafka:
        yield Servers(mongo, kafka)


def follow(directory: Path, given: Servers, typed: Sequence[str], timeout_s: float = MESSAGE_SECONDS) -> list[float]:
    """Run the commands in `directory`, of which the last follows the messages; return the seconds of each.

    Documents are written while it follows, until it shows one. Errors: CalledProcessError; AssertionError if none is shown in time.
    """
    *before, last = map(given.adapt, typed)
    seconds = []
    for command in before:
        begun = time.monotonic()
        subprocess.run(["bash", "-c", command], check=True, cwd=directory, stdout=sys.stderr)
        seconds.append(time.monotonic() - begun)
    begun = time.monotonic()
    output, mark = directory / "messages", uuid.uuid4().hex
    with output.open("w") as shown, given.mongo.client() as client:
        tail = subprocess.Popen(["bash", "-c", f"exec {last}"], cwd=directory, stdout=shown)
        try:
            while mark not in output.read_text():
                assert tail.poll() is None, f"{last} ended with {tail.returncode}"
                assert time.monotonic() < begun + timeout_s, f"{last} showed nothing within {timeout_s} s"
                client.shop.orders.insert_one({"mark": mark})
                time.sleep(POLL_SECONDS)
        finally:
            tail.terminate()
            tail.wait()
    return [*seconds, time.monotonic() - begun]


def down(directory: Path) -> None:
    """End the fleet."""
    subprocess.run([f"{ENVIRONMENT}/bin/watcherctl", "down"], check=True, cwd=directory, stdout=sys.stderr)


def measure() -> int:
    """Run the page from its first command, print the figures, and return the exit code: 1 if it takes too many or too long."""
    typed = commands(PAGE.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="wq-", dir="/tmp", ignore_cleanup_errors=True) as name:
        directory = Path(name) / "newcomer"
        directory.mkdir()
        with servers(Path(name)) as given:
            try:
                seconds = follow(directory, given, typed)
            finally:
                down(directory)
    for command, taken in zip(typed, seconds, strict=True):
        print(f"{taken:6.1f} s  {command.splitlines()[0]}")
    print(f"{sum(seconds):6.1f} s and {len(typed)} commands from git clone to the first message")
    return 0 if len(typed) <= MOST_COMMANDS and sum(seconds) <= MOST_SECONDS else 1


if __name__ == "__main__":
    sys.exit(measure())
