"""A commit of Kafka's while a partition has no leader. Kafka 4.3.0 to 4.4.0 lose the records there (KAFKA-20734)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.support.own_kafka import home_or_skip
from tests.support.records import QUIET, read_topics
from tests.support.waiting import eventually
from watcher.sandbox.kafka import ApacheKafka

NO_LEADER, FIRST, SECOND = -1, 1, 2
SECONDS = 30.0


@pytest.fixture
def first(tmp_path: Path) -> Iterator[ApacheKafka]:
    """Broker and controller; it notices soon when the other broker is gone."""
    with ApacheKafka(tmp_path / "first", home=home_or_skip(), properties={"broker.session.timeout.ms": "2000"}) as broker:
        yield broker


@pytest.fixture
def second(first: ApacheKafka, producer: Producer, tmp_path: Path) -> Iterator[ApacheKafka]:
    """A second broker. The producer has a coordinator by then, and that is the first broker."""
    broker = ApacheKafka(tmp_path / "second", home=first.home)
    broker.controller_port = first.controller_port
    broker.properties = {"process.roles": "broker", "node.id": str(SECOND), "listeners": f"PLAINTEXT://{broker.bootstrap}"}
    with broker:
        yield broker


@pytest.fixture
def producer(first: ApacheKafka) -> Producer:
    """A transactional producer."""
    producer = Producer({"bootstrap.servers": first.bootstrap, "transactional.id": "writer"}, logger=QUIET)
    producer.init_transactions(SECONDS)
    return producer


def led_by(admin: AdminClient, topic: str, leader: int) -> bool:
    """True if the leader of the topic's only partition is that broker."""
    return admin.list_topics(topic, timeout=10).topics[topic].partitions[0].leader == leader


def test_a_commit_is_whole_though_a_partition_had_no_leader(first: ApacheKafka, second: ApacheKafka, producer: Producer) -> None:
    """The commit's marker must follow when the leader is back. Else the next abort there takes the committed record away."""
    admin = AdminClient(first.admin_properties(), logger=QUIET)
    for topic, broker in (("here", FIRST), ("there", SECOND)):
        admin.create_topics([NewTopic(topic, 1, replica_assignment=[[broker]])])[topic].result(SECONDS)
    producer.begin_transaction()
    for topic in ("here", "there"):
        producer.produce(topic, b"committed")
    assert producer.flush(SECONDS) == 0

    second.kill()
    eventually(lambda: led_by(admin, "there", NO_LEADER), SECONDS)
    producer.commit_transaction(SECONDS)
    second.start()
    eventually(lambda: led_by(admin, "there", SECOND), SECONDS)

    producer.begin_transaction()
    producer.produce("there", b"aborted")
    assert producer.flush(SECONDS) == 0
    producer.abort_transaction(SECONDS)
    records = read_topics(first.bootstrap, ["here", "there"])
    assert sorted((record.topic, record.value) for record in records) == [("here", b"committed"), ("there", b"committed")]
