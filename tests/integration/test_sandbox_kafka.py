"""Apache Kafka as the sandbox runs it: stopped, killed and configured. A broker of its own, which these tests may hurt."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.support.records import QUIET, read_topics
from watcher.sandbox.errors import SandboxError
from watcher.sandbox.kafka import ApacheKafka, NoidaBroker
from watcher.sandbox.process import free_port


def commit(broker: ApacheKafka, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "writer"}, logger=QUIET)
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, value)
    producer.commit_transaction(30)


def test_committed_records_survive_a_stop_and_a_kill(apache: ApacheKafka, tmp_path: Path) -> None:
    with ApacheKafka(tmp_path, home=apache.home) as broker:
        for value, hurt in ((b"one", broker.stop), (b"two", broker.kill)):
            commit(broker, "numbers", value)
            # A commit is acknowledged before its markers are written. When the only broker is killed in between, Kafka 4.3 skips
            # them at its next start ("Couldn't find leader endpoint"), and the record stays out of sight until the next commit.
            read_topics(broker.bootstrap, ["numbers"])
            hurt()
            broker.start()
        assert [record.value for record in read_topics(broker.bootstrap, ["numbers"])] == [b"one", b"two"]


def test_topics_are_created_only_if_asked_for(apache: ApacheKafka, tmp_path: Path) -> None:
    with ApacheKafka(tmp_path, home=apache.home, auto_create_topics=False, properties={"num.partitions": "3"}) as broker:
        admin = AdminClient(broker.admin_properties(), logger=QUIET)
        assert admin.list_topics("unknown", timeout=10).topics["unknown"].error is not None
        assert admin.list_topics(timeout=10).topics == {}

        admin.create_topics([NewTopic("known")])["known"].result(10)
        assert len(admin.list_topics(timeout=10).topics["known"].partitions) == 3


def test_a_storage_that_cannot_be_formatted_is_reported_and_leaves_nothing(apache: ApacheKafka, tmp_path: Path) -> None:
    broker = ApacheKafka(tmp_path, home=apache.home, properties={"process.roles": "brewer"})

    with pytest.raises(SandboxError, match="could not be formatted") as raised:
        broker.start()

    assert "brewer" in raised.value.hint
    assert not broker.running


def test_a_broker_that_dies_at_its_start_is_reported_with_the_reason(apache: ApacheKafka, tmp_path: Path) -> None:
    broker = ApacheKafka(tmp_path, home=apache.home)
    broker.prepare()  # formatting the storage would find the fault
    broker.properties = {"num.partitions": "none"}
    with pytest.raises(SandboxError, match="kafka ended while it was starting") as raised:
        broker.start()

    assert "num.partitions" in raised.value.hint


@pytest.mark.parametrize("port", ["controller_port", "behind_proxy_port"])
def test_another_port_of_a_broker_that_is_taken_is_reported(port: str, apache: ApacheKafka, tmp_path: Path) -> None:
    """Kafka itself would answer on its first port, for a moment, before it ended."""
    broker = ApacheKafka(tmp_path, home=apache.home, proxy_port=free_port())
    number = getattr(broker, port)
    refused = pytest.raises(SandboxError, match=f"kafka cannot listen on 127.0.0.1:{number}: the port is taken")
    with socket.create_server(("127.0.0.1", number)), refused:
        broker.start()


def test_noida_saves_its_data_only_at_a_stop(tmp_path: Path) -> None:
    with NoidaBroker(tmp_path) as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap}, logger=QUIET)
        producer.produce("numbers", b"one")
        assert producer.flush(10) == 0
        broker.restart()
        assert len(read_topics(broker.bootstrap, ["numbers"])) == 1


def test_noida_loses_everything_when_it_is_killed(tmp_path: Path) -> None:
    with NoidaBroker(tmp_path) as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap}, logger=QUIET)
        producer.produce("numbers", b"one")
        assert producer.flush(10) == 0
        broker.kill()
        broker.start()
        assert read_topics(broker.bootstrap, ["numbers"]) == []


def test_noida_hides_messages_from_who_begins_after_an_aborted_transaction(tmp_path: Path) -> None:
    """So a consumer that starts again may miss changes there. Whoever begins before the aborted transaction misses nothing."""
    with NoidaBroker(tmp_path) as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "writer"}, logger=QUIET)
        producer.init_transactions(10)
        for number, end in enumerate([producer.commit_transaction, producer.abort_transaction, producer.commit_transaction]):
            producer.begin_transaction()
            producer.produce("numbers", str(number).encode())
            producer.flush(10)  # else an abort would drop it unsent
            end(10)
        assert committed_from(0, broker) == [b"0", b"2"]
        assert committed_from(4, broker) == [], "the broker is better than it was: docs/quick-start.md, README.md, D296"


def committed_from(offset: int, broker: NoidaBroker) -> list[bytes | None]:
    """The values that a consumer of committed messages finds from an offset on."""
    properties = {"bootstrap.servers": broker.bootstrap, "group.id": "g", "enable.partition.eof": True}
    consumer = Consumer(properties, logger=QUIET)
    consumer.assign([TopicPartition("numbers", 0, offset)])
    found = []
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        record = consumer.poll(1)
        if record and record.error():
            assert record.error().code() == KafkaError._PARTITION_EOF
            break
        if record:
            found.append(record.value())
    consumer.close()
    return found
