"""`watcherctl doctor` on Kafkas that lack something."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import pytest
from confluent_kafka.admin import AclOperation, AdminClient, NewTopic, ResourceType

from tests.support.doctoring import as_settings, check_fix, look_at_kafka, problems
from tests.support.records import QUIET
from tests.support.security import ADMIN_SECONDS, Certificates, Grant, GuardedKafka, kafka_login, needed_grants, topics_of
from tests.support.waiting import eventually
from tests.support.worker import watcher_settings
from watcher.doctor.check import Finding, Outcome
from watcher.errors import NotPermitted
from watcher.kafka.sink import KafkaSink
from watcher.model import Delivered, Owner
from watcher.position.look import look
from watcher.sandbox.kafka import ApacheKafka, Broker

pytest_plugins = ["tests.support.security_fixtures"]

Document = dict[str, Any]

NO_MONGODB = "mongodb://127.0.0.1:1/shop"
COMPACT = {"cleanup.policy": "compact"}
OWNER = Owner("of-the-tests", "somewhere", 1)
PATIENCE_S = 60


def create(broker: Broker, *topics: NewTopic) -> None:
    admin = AdminClient(broker.admin_properties(), logger=QUIET)
    for future in admin.create_topics(list(topics), operation_timeout=ADMIN_SECONDS).values():
        future.result(PATIENCE_S)


@pytest.fixture
def settings(kafka: Broker, prefix: str) -> Document:
    """A watcher whose topics do not exist yet."""
    return watcher_settings(NO_MONGODB, kafka.bootstrap, prefix)


@pytest.fixture
def position_topic(settings: Document) -> str:
    return f"{settings['kafka_client_id']}.position"


def test_nothing_is_there_yet(settings: Document, kafka: Broker) -> None:
    found = look_at_kafka(settings)
    assert problems(found) == {}
    assert f"the worker will create {settings['kafka_topic_control']}" in found["kafka.topics"].text
    assert found["kafka.rights"].text == "because none of the topics exists yet"
    admin = AdminClient(kafka.admin_properties(), logger=QUIET)
    assert not [name for name in admin.list_topics(timeout=PATIENCE_S).topics if name.startswith(settings["kafka_client_id"])]


def test_all_is_well(settings: Document, apache: ApacheKafka) -> None:
    """After the watcher has run, so that its topics are there."""
    sink = KafkaSink(as_settings(settings), OWNER, Delivered())
    sink.open()
    sink.close()
    found = look_at_kafka(settings)
    assert problems(found) == {}
    probe = f"{settings['kafka_client_id']}.doctor"
    assert found["kafka.transactions"].text == f"one was begun and aborted as {probe}"
    assert {name for name, finding in found.items() if finding.outcome is Outcome.NOT_CHECKED} == set()
    groups = AdminClient(apache.admin_properties(), logger=QUIET).list_consumer_groups().result(PATIENCE_S).valid
    assert probe not in [group.group_id for group in groups]


def test_nobody_is_there(settings: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.doctor.kafka.cluster.ANSWER_SECONDS", 1.0)
    found = look_at_kafka(settings | {"kafka_brokers": "127.0.0.1:1"})
    check_fix(found["kafka.reachable"], Outcome.FAILED, "127.0.0.1:1", "start the broker, or correct kafka_brokers")
    assert {finding.text for name, finding in found.items() if name != "kafka.reachable"} == {"because kafka.reachable failed"}


def test_brokers_with_names_that_lead_nowhere(settings: Document, apache: ApacheKafka) -> None:
    """The listener behind the proxy tells its clients to come by way of the proxy, and there is none now.

    Several looks, as librdkafka may happen to ask the address that leads nowhere, and then all it can tell is that nobody answers.
    """

    def look_once() -> bool:
        found = look_at_kafka(settings | {"kafka_brokers": f"127.0.0.1:{apache.behind_proxy_port}"})
        assert found["kafka.reachable"].outcome is Outcome.OK
        check_fix(found["kafka.brokers"], Outcome.FAILED, f"127.0.0.1:{apache.proxy_port}", "refused", "advertised.listeners")
        return True

    eventually(look_once, 60.0)


def test_position_topic_that_is_not_compacted(settings: Document, position_topic: str, apache: ApacheKafka) -> None:
    create(apache, NewTopic(position_topic, 1, 1, config={"cleanup.policy": "delete"}))
    command = f"kafka-configs.sh --alter --entity-type topics --entity-name {position_topic} --add-config cleanup.policy=compact"
    check_fix(look_at_kafka(settings)["kafka.position-topic"], Outcome.FAILED, "not compacted", command)


@pytest.mark.parametrize(
    ("config", "outcome", "words"),
    [
        ({"cleanup.policy": "compact,delete"}, Outcome.FAILED, "emptied as well"),
        ({"cleanup.policy": "compact,delete", "retention.ms": "-1", "retention.bytes": "1"}, Outcome.FAILED, "retention.bytes=1"),
        ({"cleanup.policy": "delete", "retention.ms": "-1"}, Outcome.WARNING, "grows for ever"),
        (COMPACT | {"unclean.leader.election.enable": "true"}, Outcome.WARNING, "unclean.leader.election.enable=false"),
    ],
    ids=lambda value: str(value),
)
def test_position_topic_of_other_settings(
    config: dict[str, str], outcome: Outcome, words: str, settings: Document, position_topic: str, apache: ApacheKafka
) -> None:
    create(apache, NewTopic(position_topic, 1, 1, config=config))
    check_fix(look_at_kafka(settings)["kafka.position-topic"], outcome, words)


def test_position_topic_with_several_partitions(settings: Document, position_topic: str, kafka: Broker) -> None:
    create(kafka, NewTopic(position_topic, 3, 1, config=COMPACT))
    check_fix(look_at_kafka(settings)["kafka.position-topic"], Outcome.FAILED, "3 partitions", "position show", "--partitions 1")


def test_topics_that_are_hard_to_write_to(settings: Document, apache: ApacheKafka) -> None:
    small = NewTopic(settings["kafka_topic_insert"], 1, 1, config={"max.message.bytes": "50000"})
    lonely = NewTopic(settings["kafka_topic_delete"], 1, 1, config={"min.insync.replicas": "2"})
    create(apache, small, lonely)
    found = look_at_kafka(settings)
    check_fix(found["kafka.message-size"], Outcome.WARNING, f"{small.topic} takes 50,000", "--add-config max.message.bytes=1000000")
    check_fix(found["kafka.replication"], Outcome.FAILED, lonely.topic, "min.insync.replicas is 2")


def test_more_copies_than_brokers(settings: Document, apache: ApacheKafka) -> None:
    found = look_at_kafka(settings | {"topic_replication_factor": 3})
    check_fix(
        found["kafka.topics"], Outcome.FAILED, "refuses to create", settings["kafka_topic_insert"], "topic_replication_factor"
    )


def test_topics_whose_names_kafka_takes_for_one(settings: Document, prefix: str, apache: ApacheKafka) -> None:
    create(apache, NewTopic(f"{prefix}_insert", 1, 1))
    found = look_at_kafka(settings)
    check_fix(found["kafka.topics"], Outcome.FAILED, f"refuses to create topic {prefix}.insert", f"{prefix}_insert", "another name")


def test_without_transactions(settings: Document, kafka: Broker) -> None:
    found = look_at_kafka(settings | {"delivery": "at-least-once"})
    assert found["kafka.transactions"].outcome is Outcome.NOT_CHECKED
    assert problems(found) == {}


def test_clock(settings: Document, apache: ApacheKafka) -> None:
    sink = KafkaSink(as_settings(settings), OWNER, Delivered())
    sink.open()
    sink.close()
    found = look_at_kafka(settings, now=lambda: time.time() - 600)
    check_fix(found["kafka.clock"], Outcome.WARNING, "Kafka's is ", "ahead of this host's", "timedatectl")


class Guarded:
    """A user of the guarded broker, who is granted as much as a test wants."""

    def __init__(self, broker: GuardedKafka, certificates: Certificates, prefix: str, password: str) -> None:
        broker.add_user(prefix, password)
        self.settings = watcher_settings(NO_MONGODB, broker.guarded, prefix) | {
            "kafka": kafka_login(prefix, password, certificates.ca)
        }
        self._broker, self._prefix = broker, prefix

    def granted(self, grants: Iterable[Grant]) -> dict[str, Finding]:
        """Return what doctor finds with these rights alone."""
        self._broker.revoke_all(self._prefix)
        self._broker.grant(self._prefix, grants)
        return look_at_kafka(self.settings)


@pytest.fixture
def guarded(guarded_kafka: GuardedKafka, certificates: Certificates, prefix: str, passwords: dict[str, str]) -> Guarded:
    return Guarded(guarded_kafka, certificates, prefix, passwords["kafka"])


def test_wrong_password(guarded: Guarded) -> None:
    login = guarded.settings["kafka"] | {"sasl.password": "wrong-one"}
    found = look_at_kafka(guarded.settings | {"kafka": login})
    assert found["kafka.reachable"].outcome is Outcome.OK
    check_fix(found["kafka.authentication"], Outcome.FAILED, "refuses", "sasl.*")
    assert "wrong-one" not in str(found)


def test_certificate_of_somebody_else(guarded: Guarded, certificates: Certificates) -> None:
    found = look_at_kafka(guarded.settings | {"kafka": guarded.settings["kafka"] | {"ssl.ca.location": str(certificates.other_ca)}})
    check_fix(found["kafka.reachable"], Outcome.FAILED, "certificate", "ssl.ca.location")


def test_topics_that_are_missing_and_may_not_be_created(guarded: Guarded, prefix: str) -> None:
    """auto.create.topics.enable is off as well."""
    found = guarded.granted([(ResourceType.TRANSACTIONAL_ID, f"{prefix}-watcher.doctor", AclOperation.WRITE)])
    insert, position = f"{prefix}.insert", f"{prefix}-watcher.position"
    create_acl = "--operation Create --topic"
    check_fix(found["kafka.topics"], Outcome.FAILED, f"topic {insert} does not exist", f"--create --topic {insert}", create_acl)
    check_fix(found["kafka.position-topic"], Outcome.FAILED, position, "--config cleanup.policy=compact", f"User:{prefix}")
    assert found["kafka.transactions"].outcome is Outcome.OK


def test_the_documented_rights_are_enough(guarded: Guarded, prefix: str) -> None:
    found = guarded.granted(needed_grants(prefix))
    assert problems(found) == {}
    probe = f"--operation Write --transactional-id {prefix}-watcher.doctor"
    check_fix(found["kafka.transactions"], Outcome.NOT_CHECKED, f"{prefix}-watcher.doctor", probe)


def test_rights_on_topics_that_exist(guarded: Guarded, guarded_kafka: GuardedKafka, prefix: str) -> None:
    position = f"{prefix}-watcher.position"
    create(guarded_kafka, *(NewTopic(name, 1, 1) for name in topics_of(prefix)), NewTopic(position, 1, 1, config=COMPACT))
    needed = needed_grants(prefix)
    probe = (ResourceType.TRANSACTIONAL_ID, f"{prefix}-watcher.doctor", AclOperation.WRITE)
    without_sizes = guarded.granted([*needed, probe])
    assert without_sizes["kafka.transactions"].outcome is Outcome.OK  # though no right on a group is granted
    grant = f"kafka-acls.sh --bootstrap-server {guarded_kafka.guarded} --add --allow-principal User:{prefix} --operation"
    check_fix(without_sizes["kafka.rights"], Outcome.WARNING, f"{grant} DescribeConfigs --topic {prefix}.insert")
    check_fix(without_sizes["kafka.message-size"], Outcome.NOT_CHECKED, f"{grant} DescribeConfigs")
    reading = [(ResourceType.TOPIC, name, AclOperation.DESCRIBE) for name in (*topics_of(prefix), position)]
    check_fix(guarded.granted(reading)["kafka.rights"], Outcome.FAILED, f"{grant} Write --topic {prefix}.insert", f"{grant} Read")


def test_rights_on_the_group_of_the_lease(guarded: Guarded, prefix: str) -> None:
    guarded.settings["high_availability"] = True
    group = f"{prefix}-watcher.lease"
    grant = f"--operation Read --group {group}"
    check_fix(guarded.granted(needed_grants(prefix))["kafka.lease"], Outcome.FAILED, f"no Read on the group {group}", grant)
    seen = (ResourceType.GROUP, group, AclOperation.DESCRIBE)
    check_fix(guarded.granted([seen])["kafka.lease"], Outcome.FAILED, f"no Read on the group {group}", grant)
    assert guarded.granted([(ResourceType.GROUP, group, AclOperation.READ)])["kafka.lease"].outcome is Outcome.OK


def test_topics_that_exist_and_do_not_show_themselves(guarded: Guarded, guarded_kafka: GuardedKafka, prefix: str) -> None:
    """The worker may create topics, and these are there already: it would end with 77."""
    position = f"{prefix}-watcher.position"
    create(guarded_kafka, *(NewTopic(name, 1, 1) for name in topics_of(prefix)), NewTopic(position, 1, 1, config=COMPACT))
    found = guarded.granted([(ResourceType.TOPIC, name, AclOperation.CREATE) for name in (*topics_of(prefix), position)])
    check_fix(found["kafka.topics"], Outcome.FAILED, f"topic {prefix}.insert exists", "may not see it", "Write")
    check_fix(found["kafka.position-topic"], Outcome.FAILED, f"topic {position} exists", "may not see it", "Write", "Read")
    check_fix(found["kafka.rights"], Outcome.FAILED, f"no Write on {prefix}.insert", "--operation Write")


def test_topics_to_come_that_could_be_created_and_not_written_to(guarded: Guarded, prefix: str) -> None:
    topics = (*topics_of(prefix), f"{prefix}-watcher.position")
    found = guarded.granted([(ResourceType.TOPIC, name, AclOperation.CREATE) for name in topics])
    assert found["kafka.topics"].outcome is Outcome.OK
    check_fix(found["kafka.rights"], Outcome.FAILED, f"no Write on {prefix}.insert", "--operation Write")


def test_nothing_is_good_that_only_DescribeConfigs_would_show(  # noqa: N802
    guarded: Guarded, guarded_kafka: GuardedKafka, prefix: str
) -> None:
    position = f"{prefix}-watcher.position"
    create(guarded_kafka, *(NewTopic(name, 1, 1) for name in topics_of(prefix)), NewTopic(position, 1, 1, config=COMPACT))
    found = guarded.granted([*needed_grants(prefix), (ResourceType.TOPIC, f"{prefix}.insert", AclOperation.DESCRIBE_CONFIGS)])
    for name in ("kafka.position-topic", "kafka.replication", "kafka.message-size"):
        check_fix(found[name], Outcome.NOT_CHECKED, "DescribeConfigs", f"--topic {position}")


def test_whether_a_position_is_there_is_not_for_everybody_to_know(guarded: Guarded, prefix: str) -> None:
    guarded.granted([(ResourceType.TOPIC, f"{prefix}.insert", AclOperation.WRITE)])
    with pytest.raises(NotPermitted, match=f"whether topic {prefix}-watcher.position exists"):
        look(as_settings(guarded.settings), Delivered())
