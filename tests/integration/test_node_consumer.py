"""clients/node on a real Kafka, in the scenes of the Python library: order, failures, redelivery, what is missing, snapshots."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka import Message as Record

from tests.support.consuming import OPERATIONS, Running, Writer, committed, make_consumer, write_and_abort, write_lives
from tests.support.fake_registry import fake_registry
from tests.support.kafka_topics import delete_records
from tests.support.node_consumer import NodeConsumer, node_consumer
from tests.support.records import QUIET, read_topics
from tests.support.waiting import eventually
from tests.unit.change_events import AVRO_SCHEMAS, USER_ID, encoder, recorded
from watcher.consumer import Change
from watcher.sandbox.kafka import Broker

ANY = {"on": {"collection": "*", "operations": ["*"]}}
USERS = {"on": "users"}

Start = Callable[..., AbstractContextManager[NodeConsumer]]


@pytest.fixture
def start(kafka: Broker, prefix: str, tmp_path: Path) -> Start:
    """Make a consumer of the test's group: `with start(topics, plan, **options) as consumer`."""
    numbers = iter(range(100))

    def made(topics: list[str], *plan: dict[str, Any], bootstrap: str = "", **options: Any) -> AbstractContextManager[NodeConsumer]:
        output = tmp_path / f"consumer-{next(numbers)}"
        return node_consumer(output, bootstrap or kafka.bootstrap, prefix, topics, list(plan), **options)

    return made


@pytest.fixture
def writer(kafka: Broker, prefix: str) -> Writer:
    """Three topics and one for control messages."""
    return Writer(kafka.bootstrap, prefix)


@pytest.fixture
def one_topic(kafka: Broker, prefix: str) -> Writer:
    """One topic with one partition, so that what comes first is handled first."""
    return Writer(kafka.bootstrap, prefix, partitions=1, topic=f"{prefix}.changes")


def inserts(writer: Writer, *keys: int) -> None:
    writer.write([writer.message("insert", key) for key in keys])


def test_a_backlog_of_two_watchers_comes_in_order(kafka: Broker, prefix: str, writer: Writer, start: Start) -> None:
    """Through a buffer that holds a part of it, and in batches."""
    other = Writer(kafka.bootstrap, prefix, client_id=f"{prefix}-other")
    for _ in range(4):
        write_lives(writer, 4)
        write_lives(other, 6)
    plan = {"onBatch": {"collection": "*", "size": 100}}
    with start(writer.topics, plan, bufferBytes=256 * 1024) as consumer:
        consumer.until(lambda: len(consumer.changes) == writer.sequence + other.sequence)
        for each in (writer, other):
            numbers = [change["sequence"] for change in consumer.changes if change["watcher"] == each._client_id]
            assert numbers == list(range(1, each.sequence + 1))
        assert consumer.stop()["counts"]["handled"] == writer.sequence + other.sequence
        assert "came after" not in consumer.log


def test_only_some_topics_while_they_are_written_and_aborted(writer: Writer, start: Start) -> None:
    """Numbers are missing for good, and what tells that nothing lower comes is where the partitions end."""
    with start(writer.topics[1:], ANY) as consumer:
        expected = write_and_abort(writer, 100)
        consumer.until(lambda: len(consumer.changes) >= expected)
        assert consumer.sequences == sorted(consumer.sequences)
        assert len(consumer.sequences) == expected


def test_a_member_in_python_and_one_in_node_share_a_group(kafka: Broker, prefix: str, writer: Writer, start: Start) -> None:
    """Partition n of every topic goes to the same one. What was handled is committed before the other one reads on."""
    theirs: list[Change] = []
    python = make_consumer(kafka.bootstrap, prefix, writer.topics)
    python.on("*")(theirs.append)
    with start(writer.topics, ANY) as node:
        write_lives(writer, 1)
        node.until(lambda: len(node.changes) == writer.sequence)
        with Running(python) as running:

            def is_shared() -> bool:
                write_lives(writer, 1)
                return bool(theirs)

            eventually(is_shared, 40)
            write_lives(writer, 2)
            node.until(lambda: len({*node.sequences, *(each.sequence for each in theirs)}) == writer.sequence)
        assert running.error is None
        partitions = [{(change["partition"]) for change in node.changes[-10:]}, {each.partition for each in theirs}]
        assert not partitions[0] & partitions[1]
        write_lives(writer, 1)
        node.until(lambda: len({*node.sequences, *(each.sequence for each in theirs)}) == writer.sequence)


def test_what_comes_again_after_kill_9_and_after_an_orderly_end(writer: Writer, start: Start) -> None:
    """Nothing is lost, what was committed does not come again, and what is written twice is handled once."""
    total = write_lives(writer, 2)
    with start(writer.topics, USERS) as first:
        first.until(lambda: len(first.changes) >= total // 2)
        first.kill()
        seen = set(first.sequences)
    with start(writer.topics, USERS) as second:
        second.until(lambda: seen | set(second.sequences) == set(range(1, total + 1)))
        again = writer.message("insert", 5)
        writer.write([again, again, writer.message("insert", 5)])  # one after the other, in one partition
        second.until(lambda: total + 2 in second.sequences)
        counts = second.stop()["counts"]
    assert (second.sequences.count(total + 1), counts["repeated"]) == (1, 1)
    with start(writer.topics, USERS) as third:
        inserts(writer, 1)
        third.until(lambda: third.changes)
        assert third.sequences == [total + 3]


def test_handlers_that_fail(kafka: Broker, prefix: str, one_topic: Writer, start: Start) -> None:
    """For a while, always, or for good; alone and in a batch; and what is no message of a watcher's."""
    inserts(one_topic, 1, 2, 3, 4)
    one_topic.write([one_topic.message("insert", key, collection="orders") for key in (5, 6, 7)])
    one_topic.write_raw(one_topic.topics[0], b"{not json")
    one_topic.write_raw(one_topic.topics[0], None)
    inserts(one_topic, 8)
    alone = {"on": "users", "failures": {"1": 2, "2": -1}, "rejects": [3]}
    with start(one_topic.topics, alone, {"onBatch": "orders", "failures": {"6": -1}}) as consumer:
        consumer.until(lambda: {7, 8} <= {change["key"] for change in consumer.changes})
        ended = consumer.stop()
        assert sorted(change["key"] for change in consumer.changes) == [1, 4, 5, 7, 8]
        assert consumer.told("failed") == [1, 1, 2, 2, 2, 6, 6, 6, 6, 6, 6]
    assert ended["counts"] == {"handled": 5, "repeated": 0, "unrouted": 0, "foreign": 2, "deadLettered": 3}
    originals = {record.value: record for record in read_topics(kafka.bootstrap, one_topic.topics)}
    letters = dead_letters(kafka, f"{prefix}.dead-letter", 4)
    reasons = ["RangeError: no such practitioner: 2", "Reject: no use for 3", "RangeError: no such practitioner: 6", "not JSON: "]
    assert [headers["reason"][: len(reason)] for (headers, _), reason in zip(letters, reasons, strict=True)] == reasons
    for headers, letter in letters:
        original = originals[letter.value() or b""]
        assert (letter.key(), headers["offset"]) == (original.key, str(original.offset))
        assert (headers["topic"], headers["partition"], headers["group"]) == (one_topic.topics[0], "0", prefix)
        assert ("consumer.mjs" in headers.get("traceback", "")) == ("not JSON" not in headers["reason"])


def dead_letters(kafka: Broker, topic: str, count: int) -> list[tuple[dict[str, str], Record]]:
    """Headers and records, in the order of the messages."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "tests"}, logger=QUIET)
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        records: list[Record] = []

        def all_are_there() -> bool:
            records.extend(record for record in consumer.consume(count - len(records), 1.0) if not record.error())
            return len(records) == count

        eventually(all_are_there)
    finally:
        consumer.close()
    letters = [({name: (value or b"").decode() for name, value in record.headers() or ()}, record) for record in records]
    return sorted(letters, key=lambda letter: int(letter[0]["offset"]))


def test_a_consumer_that_stops_at_what_it_cannot_handle(kafka: Broker, prefix: str, one_topic: Writer, start: Start) -> None:
    """A handler that fails for good, what no watcher has written, and a handler that hangs."""
    inserts(one_topic, 1, 2)
    with start(one_topic.topics, {"on": "users", "failures": {"2": -1}}, onError="stop") as consumer:
        ended = consumer.ended()
        assert (ended["ended"], [change["key"] for change in consumer.changes]) == ("HandlerFailed", [1])
    assert committed(kafka.bootstrap, prefix, one_topic.topics[0]).offset == 1
    one_topic.write_raw(one_topic.topics[0], b"[]")
    with start(one_topic.topics, ANY, onForeign="stop") as consumer:
        assert consumer.ended()["ended"] == "ForeignMessage"
    with start(one_topic.topics, {"on": "users", "pauseMs": 60_000}, hangAfterMs=200, onHang="exit") as consumer:
        assert consumer.exit_code() == 70
        assert "the handler of insert 2 of" in consumer.log


def test_different_documents_side_by_side(one_topic: Writer, start: Start) -> None:
    """Changes of one document stay in order, one that always fails is given up alone, and offsets wait for the slowest."""
    one_topic.write([one_topic.message(operation, key) for operation in ("insert", "update") for key in range(20)])
    plan = {"on": {"collection": "users", "concurrency": 10}, "pauseMs": 20, "failures": {"7": 1, "8": -1}}
    with start(one_topic.topics, plan) as consumer:
        consumer.until(lambda: len(consumer.changes) == 38 and consumer.told("failed").count(8) == 6)
        assert consumer.stop()["counts"]["deadLettered"] == 2
        for key in range(20):
            operations = [change["operation"] for change in consumer.changes if change["key"] == key]
            assert operations == ([] if key == 8 else ["insert", "update"])
        assert consumer.sequences != sorted(consumer.sequences)


def test_messages_that_are_missing(kafka: Broker, one_topic: Writer, start: Start) -> None:
    """The watcher's own gap, what retention has taken, and numbers that begin again."""
    topic = one_topic.topics[0]
    gap = one_topic.message("gap", reason="position lost", lastEventId="8265")
    del gap["collection"], gap["eventId"]
    one_topic.write([one_topic.message("insert", 1), gap])
    plan = (ANY, {"gap": True})
    with start([topic], *plan) as consumer:
        consumer.until(lambda: consumer.changes and consumer.told("gap"))
        consumer.stop()
        [told] = consumer.told("gap")
        assert (told["reason"], told["lastEventId"], told["sequence"]) == ("position lost", "8265", gap["sequence"])
    inserts(one_topic, 2, 3)
    delete_records(kafka, topic)
    before = committed(kafka.bootstrap, one_topic.name, topic).offset
    with start([topic], *plan) as consumer:
        consumer.until(lambda: "were deleted" in consumer.log)
        consumer.stop()
        assert (consumer.lines[:-1], committed(kafka.bootstrap, one_topic.name, topic).offset) == ([], before)
    inserts(one_topic, 4)
    one_topic.sequence = 0
    one_topic.write([one_topic.message("insert", 5, eventId="ff")])
    with start([topic], *plan) as consumer:
        consumer.until(lambda: len(consumer.changes) == 2)
        kinds = [next(iter(line)) for line in consumer.lines]
        assert kinds == ["gap", "change", "gap", "change"]
        assert ["were deleted" in each["reason"] for each in consumer.told("gap")] == [True, False]
        assert "begin again" in consumer.told("gap")[1]["reason"]


def test_the_course_of_a_snapshot(writer: Writer, start: Start) -> None:
    """The end comes after the documents, also of those that wait in a batch."""
    snapshot = {"snapshot": "s1"}
    begin = writer.message("snapshotStarted", **snapshot, reason="initial", snapshotOperation="insert")
    del begin["collection"]
    first = begin["sequence"]
    copies = [writer.message("insert", key, **snapshot) for key in range(3)]
    told = {**snapshot, "startedSequence": first, "documents": 3}
    end = writer.message("snapshotCollectionCompleted", **told, filtered=False)
    broken = writer.message("snapshotCollectionCompleted", snapshot="s1")
    aborted = writer.message("snapshotAborted", **told, reason="by hand")
    del aborted["collection"]
    writer.write([begin, *copies, end, broken, aborted])
    plan = ({"onBatch": {"collection": "users", "waitMs": 60_000}}, {"started": True}, {"completed": "users"}, {"aborted": True})
    with start(writer.topics, *plan) as consumer:
        consumer.until(lambda: consumer.told("aborted"))
        assert [next(iter(line)) for line in consumer.lines] == ["started", "batch", "completed", "aborted"]
        assert consumer.told("started")[0]["operation"] == "insert"
        assert consumer.told("covers") == [True]
        assert consumer.told("completed")[0]["startedSequence"] == first
        assert consumer.stop()["counts"]["deadLettered"] == 1


def test_topics_that_come_later_by_name_and_by_pattern(kafka: Broker, prefix: str, start: Start) -> None:
    """And a collection that no handler takes, and one with a name that is nearly right."""
    with start([f"{prefix}.changes", f"^{prefix}[.]other.*"], {"on": "user"}, {"other": True}) as consumer:
        consumer.until(lambda: "does not exist" in consumer.log)
        inserts(Writer(kafka.bootstrap, prefix, topic=f"{prefix}.changes"), 1)
        consumer.until(lambda: len(consumer.told("other")) == 1)
        inserts(Writer(kafka.bootstrap, prefix, topic=f"{prefix}.other-1", client_id=f"{prefix}-2"), 2)
        consumer.until(lambda: len(consumer.told("other")) == 2)


def test_messages_in_avro_and_large_ones_in_lz4(kafka: Broker, prefix: str, start: Start) -> None:
    """As a worker's encoder and librdkafka write them. The registry is away at first."""
    avro = encoder(serialization="avro", kafka_headers=True)
    events = [recorded()[operation] for operation in OPERATIONS]
    values = [avro.encode(event, sequence) for sequence, event in enumerate(events, 1)]
    large = {"operationType": "insert", "database": "d", "collection": "users", "documentKey": {"_id": 4}}
    large |= {"watcher": "dashboard-watcher", "sequence": 4, "timestamp": "2024-01-01T12:00:00Z"}
    large |= {"fullDocument": {"_id": 4, "text": [f"{number:08}" for number in range(40_000)]}}
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "compression.type": "lz4"}, logger=QUIET)
    for message in values:
        producer.produce(f"{prefix}.changes", message.value, message.key, headers=list(message.headers or ()))
    producer.produce(f"{prefix}.changes", json.dumps(large), b"4")
    assert producer.flush(20) == 0
    with fake_registry() as registry:
        registry.schemas = {number: json.dumps(schema) for number, schema in enumerate(AVRO_SCHEMAS)}
        registry.fails_with = (503, {})
        with start([f"{prefix}.changes"], ANY, schemaRegistry={"url": registry.url}) as consumer:
            consumer.until(lambda: "does not answer: HTTP 503" in consumer.log)
            registry.fails_with = None
            consumer.until(lambda: len(consumer.changes) == 4)
            assert [change["operation"] for change in consumer.changes] == [*OPERATIONS, "insert"]
            assert consumer.changes[0]["key"] == str(USER_ID)


def test_a_kafka_that_is_away_does_not_keep_the_consumer_from_stopping(start: Start) -> None:
    with start(["t"], USERS, bootstrap="127.0.0.1:1") as consumer:
        consumer.until(lambda: "Kafka does not answer; waiting for it" in consumer.log)
        assert consumer.stop()["ended"] == "stopped"
        assert consumer.log.count("waiting for it") == 1
