"""What a worker spends on its own account, status and metrics: `python -m benchmarks.status_cost`.

The real data path, between a MongoDB that is a canned reply and librdkafka's own mock broker, so that no server is needed. Each
call of the observer is timed in CPU time of its thread, and compared with that of the whole path in the same round; so it hardly
matters what else the machine does. MongoDB's network is not in the path, so the share is a little larger than a worker's.

Python 3.11, two cores that others used as well (load 1.7), events of 725 bytes in batches of 1000, medians of 15 rounds; the median
of one run; before events were encoded in C the path took 15 µs, and this was 2 % of it:

    data path            6.69 µs an event
    counting             0.28 µs an event    4.12%
    writing the status    217 µs a time      0.09%, every 0.25 s
           the metrics    382 µs a time      0.02%, every 2.0 s
    together                                4.22%
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import bson
from bson import Int64, Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.read_preferences import ReadPreference

from benchmarks.encode import EVENT, encoder
from watcher.config import Settings
from watcher.kafka.properties import producer_config
from watcher.kafka.writer import TransactionalWriter
from watcher.model import Message, Owner, Position
from watcher.mongodb import client
from watcher.mongodb.resuming_stream import ResumingStream
from watcher.private import replace_file
from watcher.stream.loss_policies import TolerantStream
from watcher.stream.pipeline import Pipeline
from watcher.worker.previous_run import PreviousRun
from watcher.worker.reporting.metrics import metrics
from watcher.worker.reporting.progress import Progress
from watcher.worker.reporting.status_file import LIVE_SECONDS, WRITE_SECONDS
from watcher.worker.reporting.status_report import status_report

BATCH_EVENTS, BATCHES = 1000, 20
WRITES = 50
TOKEN = {"_data": "8265F0C1A000000001"}
SETTINGS = Settings(name="dashboard", mongodb_uri="mongodb://h/dashboard", kafka_brokers="h:9092", kafka_client_id="bench")  # type: ignore[arg-type]


class Clock:
    """CPU seconds of whatever thread is inside, added up."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*arguments: Any) -> Any:
            begun = time.thread_time()
            try:
                return call(*arguments)
            finally:
                self.seconds += time.thread_time() - begun

        return measured

    def in_other_threads(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Timed, but in the thread that asks for this."""
        here, timed = threading.get_ident(), self.timed(call)
        return lambda *arguments: (call if threading.get_ident() == here else timed)(*arguments)


class Observer:
    """Progress, with a clock."""

    def __init__(self, progress: Progress, clock: Clock) -> None:
        for name in ("streaming", "received", "encoded", "committed", "waited"):
            setattr(self, name, clock.timed(getattr(progress, name)))


class Server:
    """Answers as MongoDB does to a worker that has a backlog, and is client, database and session as well."""

    def __init__(self) -> None:
        now = Timestamp(int(time.time()), 1)
        batch = [RawBSONDocument(EVENT)] * BATCH_EVENTS
        cursor = {"id": Int64(7), "ns": "dashboard.$cmd.aggregate", "nextBatch": batch, "postBatchResumeToken": TOKEN}
        # One reply to all commands: to buildInfo as well.
        self.reply = bson.encode({"cursor": cursor, "ok": 1.0, "operationTime": now, "versionArray": [8, 0, 0]})
        self.read_preference = ReadPreference.PRIMARY
        self.answers = 0

    def command(self, command: dict[str, Any], **_: Any) -> RawBSONDocument:
        self.answers += "getMore" in command
        return RawBSONDocument(self.reply)

    def start_session(self) -> None:
        return None

    def __getitem__(self, _: str) -> Self:
        return self


class Sink:
    """Transactions to a mock broker."""

    transaction_bytes = 2 * 1024 * 1024

    def __init__(self) -> None:
        config = {**producer_config(SETTINGS, lambda _: None), "batch.size": 1_000_000, "test.mock.num.brokers": 1}
        self.writer = TransactionalWriter(config)

    def takes(self, message: Message) -> bool:
        return len(message.value) < self.transaction_bytes

    def deliver(self, messages: Sequence[Message], _position: Position) -> None:
        record = Message(SETTINGS.position_topic, b"position", b"{}", int(time.time() * 1000), "position")
        self.writer.write(messages, record)

    def rest(self) -> None:
        """As a worker does."""
        self.writer.rest()


def one_round(progress: Progress, sink: Sink) -> tuple[float, float]:
    """CPU seconds of the observer and of the data path, an event."""
    server, own, elsewhere, before = Server(), Clock(), Clock(), progress.counters.messages
    client.connect = lambda _: server  # type: ignore[assignment]
    source = TolerantStream(ResumingStream(SETTINGS), SETTINGS, progress.gaps)
    source.next = elsewhere.in_other_threads(source.next)  # type: ignore[method-assign]
    sink.deliver = elsewhere.in_other_threads(partial(Sink.deliver, sink))  # type: ignore[method-assign]
    pipeline = Pipeline(source, encoder("plain"), sink, Observer(progress, own), fail_on_large=False)
    begun = time.thread_time()
    pipeline.run(Position("dashboard", progress.owner, TOKEN), lambda: server.answers >= BATCHES)
    path = time.thread_time() - begun + elsewhere.seconds
    events = progress.counters.messages - before
    return own.seconds / events, path / events


def seconds_of_writing(directory: Path, content: Callable[[], bytes]) -> float:
    """CPU seconds of writing a file once."""
    begun = time.thread_time()
    for _ in range(WRITES):
        replace_file(directory / "dashboard.json", content())
    return (time.thread_time() - begun) / WRITES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    progress = Progress(SETTINGS, Owner("9f3c", "host-1", 4711), PreviousRun(), lambda: None)
    sink = Sink()
    measured = [one_round(progress, sink) for _ in range(rounds + 1)][1:]  # the first one warms up
    own, path = (statistics.median(seconds) for seconds in zip(*measured, strict=True))
    share = statistics.median(observer / path for observer, path in measured)
    with TemporaryDirectory() as directory:
        status = seconds_of_writing(Path(directory), lambda: status_report(progress).content())
        prometheus = seconds_of_writing(Path(directory), lambda: metrics(progress).encode())
    writing = status / LIVE_SECONDS + prometheus / WRITE_SECONDS
    print(f"data path          {path * 1e6:6.2f} µs an event")
    print(f"counting           {own * 1e6:6.2f} µs an event   {share:6.2%}")
    print(f"writing the status {status * 1e6:6.0f} µs a time     {status / LIVE_SECONDS:6.2%}, every {LIVE_SECONDS} s")
    print(f"       the metrics {prometheus * 1e6:6.0f} µs a time     {prometheus / WRITE_SECONDS:6.2%}, every {WRITE_SECONDS} s")
    print(f"together                               {share + writing:6.2%}")


if __name__ == "__main__":
    main()
