"""Reads committed messages in a process of its own, and notes when each document's was in its hands.

In the process of the writers it would wait for their interpreter's lock, and its waits would count as the contender's latency.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.contender import Running

SILENCE_SECONDS = 60.0
NOTE_SECONDS = 0.1
"""Interval at which what has arrived is written down."""

LAST_NUMBER = re.compile(rb"(\d+)\D*$")


class Audience:
    """A reader of one topic, which it creates with one partition. Its clock is `time.perf_counter`, one for all processes (Linux).

    `arrived`: seconds by a document's id, as far as `look` has got them.
    """

    def __init__(self, brokers: str, topic: str, directory: Path) -> None:
        admin = AdminClient({"bootstrap.servers": brokers})
        admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
        notes = directory / "arrivals"
        with notes.open("w") as output:
            command = [sys.executable, "-m", "benchmarks.audience", brokers, topic]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output)
        self._notes = notes.open()
        self._rest = ""
        self.arrived: dict[int, float] = {}

    def look(self) -> None:
        """Read what has been noted."""
        *lines, self._rest = (self._rest + self._notes.read()).split("\n")
        for number, at in map(str.split, lines):
            self.arrived.setdefault(int(number), float(at))

    def wait_for(self, ids: Sequence[int], running: Running) -> None:
        """Until all have arrived. Errors: SystemExit when the contender has ended, or nothing has come for a while."""
        count, since = -1, time.monotonic()
        while missing := sum(1 for each in ids if each not in self.arrived):
            running.check()
            if len(self.arrived) != count:
                count, since = len(self.arrived), time.monotonic()
            elif time.monotonic() - since > SILENCE_SECONDS:
                raise SystemExit(f"no message for {SILENCE_SECONDS:.0f} s; {missing} of {len(ids)} are missing")
            time.sleep(NOTE_SECONDS)
            self.look()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()
        self._notes.close()


def read(brokers: str, topic: str, closing: threading.Event, output: TextIO) -> None:
    """Write a line for each message, the last number in its key and the time: with all contenders that is the document's id."""
    config = {"group.id": topic, "enable.auto.commit": False, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 100}
    consumer = Consumer({"bootstrap.servers": brokers, **config})
    consumer.subscribe([topic])
    noted = time.monotonic()
    while not closing.is_set():
        message = consumer.poll(NOTE_SECONDS)
        if message is not None and message.error() is None:
            at = time.perf_counter()
            number = LAST_NUMBER.search(message.key() or b"")
            assert number, message.key()
            output.write(f"{int(number[1])} {at!r}\n")
        if time.monotonic() - noted > NOTE_SECONDS:
            output.flush()
            noted = time.monotonic()
    consumer.close()


def main() -> None:
    """Read until standard input ends."""
    closing = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), closing.set()), daemon=True).start()
    read(sys.argv[1], sys.argv[2], closing, sys.stdout)


if __name__ == "__main__":
    main()
