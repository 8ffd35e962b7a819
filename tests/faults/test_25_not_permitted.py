"""Row 25: credentials, certificates and rights.

Goal: whatever is refused ends the worker with exit code 77 and a message that names what is missing, instead of endless waiting.
The rights in docs/permissions.md are enough, and none is too much. No password is said.
Method: mongod with --auth and TLS; Apache Kafka with SASL over TLS and its StandardAuthorizer. A worker with exactly the documented
rights delivers; then one thing at a time is wrong. Expired certificates are shown by a TLS endpoint of the tests: mongod refuses to
start with one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka.admin import AclOperation, NewTopic, ResourceType
from pymongo import MongoClient

from tests.support.fault_matrix import FaultReport
from tests.support.security import ADMIN_SECONDS, Certificates, Grant, GuardedKafka, TlsEndpoint, needed_grants, topics_of
from tests.support.worker import Inbox, Launch, WorkerProcess
from watcher.errors import ExitCode

pytest_plugins = ["tests.support.worker_fixtures", "tests.support.security_fixtures"]

Document = dict[str, Any]
Refused = Callable[..., Document]
END_TIMEOUT_S = 40.0


@pytest.fixture
def refused(launch: Launch, fault_report: FaultReport, passwords: dict[str, str]) -> Refused:
    """`refused(settings)`: start a worker that has to end with 77, without a word of a password; returns its last error."""

    def refused(settings: Document, meanwhile: Callable[[WorkerProcess], None] = lambda _: None) -> Document:
        worker = launch(settings)
        meanwhile(worker)
        assert worker.wait(END_TIMEOUT_S) == ExitCode.NOT_PERMITTED, worker.output
        error: Document = worker.status["lastError"]
        assert error["exitCode"] == ExitCode.NOT_PERMITTED
        for password in (*passwords.values(), "wrong"):
            assert password not in worker.output + str(worker.status)
        fault_report.count(faults=1)
        return error

    return refused


def without(grants: list[Grant], kind: ResourceType, name: str, *operations: AclOperation) -> list[Grant]:
    """The other grants."""
    return [grant for grant in grants if grant not in {(kind, name, operation) for operation in operations}]


def with_kafka(settings: Document, **properties: str) -> Document:
    """Other values in the `[kafka]` table; `_` stands for the dots."""
    changed = {name.replace("_", "."): value for name, value in properties.items()}
    return settings | {"kafka": settings["kafka"] | changed}


def with_uri(settings: Document, old: str, new: str) -> Document:
    """Another `mongodb_uri`."""
    assert old in settings["mongodb_uri"]
    return settings | {"mongodb_uri": settings["mongodb_uri"].replace(old, new)}


def test_the_documented_rights_are_enough(
    launch: Launch,
    guarded_settings: Document,
    guarded_inbox: Inbox,
    guarded_mongo_client: MongoClient[Document],
    prefix: str,
    fault_report: FaultReport,
) -> None:
    worker = launch(guarded_settings)
    worker.reached()
    users = guarded_mongo_client[prefix].users
    users.insert_one({"_id": 1})
    users.update_one({"_id": 1}, {"$set": {"a": 1}})
    users.delete_one({"_id": 1})
    users.drop()
    guarded_inbox.messages(4)
    assert worker.stop() == 0
    worker.start()
    worker.reached()
    users.insert_one({"_id": 2})
    messages = guarded_inbox.messages(5)
    assert [message["operationType"] for message in messages] == ["insert", "update", "delete", "drop", "insert"]
    assert [message["sequence"] for message in messages] == [1, 2, 3, 4, 5]
    assert worker.status["headroomSeconds"] is None  # that alone needs clusterMonitor
    assert worker.logged("warning") == []
    fault_report.count(writes=5, messages=5)


def test_wrong_password_for_mongodb(refused: Refused, guarded_settings: Document, passwords: dict[str, str]) -> None:
    error = refused(with_uri(guarded_settings, passwords["mongodb"], "wrong"))
    assert error["message"] == "MongoDB refuses the credentials: Authentication failed"
    assert "mongodb_uri" in error["hint"]


def test_wrong_password_for_kafka(refused: Refused, guarded_settings: Document) -> None:
    error = refused(with_kafka(guarded_settings, sasl_password="wrong"))
    assert "Kafka refuses the connection" in error["message"]
    assert "sasl.*" in error["hint"]


def test_no_right_on_the_database(refused: Refused, guarded_settings: Document, prefix: str) -> None:
    error = refused(with_uri(guarded_settings, f"/{prefix}?", "/another?"))
    assert "not authorized on another" in error["message"]
    assert "`read`" in error["hint"]


def test_wrong_ca_for_mongodb(refused: Refused, guarded_settings: Document, certificates: Certificates) -> None:
    error = refused(with_uri(guarded_settings, str(certificates.ca), str(certificates.other_ca)))
    assert "MongoDB's certificate cannot be trusted" in error["message"]
    assert "tlsCAFile" in error["hint"]


def test_wrong_ca_for_kafka(refused: Refused, guarded_settings: Document, certificates: Certificates) -> None:
    error = refused(with_kafka(guarded_settings, ssl_ca_location=str(certificates.other_ca)))
    assert "Kafka's certificate cannot be trusted" in error["message"]
    assert "ssl.ca.location" in error["hint"]


def test_expired_certificate_of_mongodb(refused: Refused, guarded_settings: Document, certificates: Certificates) -> None:
    address = guarded_settings["mongodb_uri"].partition("@")[2].partition("/")[0]
    with TlsEndpoint(certificates.expired) as endpoint:
        error = refused(with_uri(guarded_settings, address, endpoint.address))
    assert "certificate has expired" in error["message"]
    assert "still valid" in error["hint"]


def test_expired_certificate_of_kafka(refused: Refused, guarded_settings: Document, certificates: Certificates) -> None:
    with TlsEndpoint(certificates.expired) as endpoint:
        error = refused(guarded_settings | {"kafka_brokers": endpoint.address})
    assert "Kafka's certificate cannot be trusted" in error["message"]
    assert "still valid" in error["hint"]


@pytest.mark.parametrize("exists", [False, True], ids=["missing", "there"])
@pytest.mark.parametrize("topic", ["insert", "position"])
def test_no_right_on_a_topic(
    topic: str, exists: bool, refused: Refused, guarded_settings: Document, guarded_kafka: GuardedKafka, prefix: str
) -> None:
    """Without Describe, Kafka does not even say whether it exists."""
    name = f"{prefix}-watcher.position" if topic == "position" else f"{prefix}.{topic}"
    if exists:
        admin = guarded_kafka.admin()
        admin.create_topics([NewTopic(name, 1, 1, config={"cleanup.policy": "compact"})])[name].result(ADMIN_SECONDS)
    guarded_kafka.revoke_all(prefix)
    guarded_kafka.grant(prefix, [grant for grant in needed_grants(prefix) if grant[1] != name])
    error = refused(guarded_settings)
    assert name in error["message"]
    assert f"create {name}" in error["hint"]
    assert "grant Create" in error["hint"]
    assert "grant Write" in error["hint"]


def test_create_is_not_needed_where_the_topics_are_there(
    launch: Launch, guarded_settings: Document, guarded_kafka: GuardedKafka, prefix: str
) -> None:
    admin = guarded_kafka.admin()
    topics = [NewTopic(name, 1, 1) for name in topics_of(prefix)]
    position = NewTopic(f"{prefix}-watcher.position", 1, 1, config={"cleanup.policy": "compact"})
    for future in admin.create_topics([*topics, position]).values():
        future.result(ADMIN_SECONDS)
    guarded_kafka.revoke_all(prefix)
    guarded_kafka.grant(prefix, [grant for grant in needed_grants(prefix) if grant[2] != AclOperation.CREATE])
    launch(guarded_settings).reached()


@pytest.mark.parametrize(
    ("kind", "name", "operation", "words"),
    [
        (ResourceType.TOPIC, "{}.insert", AclOperation.WRITE, "Write on the topics"),
        (ResourceType.TOPIC, "{}-watcher.position", AclOperation.WRITE, "Write on the position topic"),
        (ResourceType.TOPIC, "{}-watcher.position", AclOperation.READ, "Read and Write on the position topic"),
        (ResourceType.TRANSACTIONAL_ID, "{}-watcher", AclOperation.WRITE, "Write on the transactional id"),
    ],
)
def test_each_right_is_needed(
    kind: ResourceType,
    name: str,
    operation: AclOperation,
    words: str,
    refused: Refused,
    guarded_settings: Document,
    guarded_kafka: GuardedKafka,
    guarded_mongo_client: MongoClient[Document],
    prefix: str,
) -> None:
    guarded_kafka.revoke_all(prefix)
    guarded_kafka.grant(prefix, without(needed_grants(prefix), kind, name.format(prefix), operation))

    def write_if_it_streams(worker: WorkerProcess) -> None:
        if name == "{}.insert":
            worker.reached()
            guarded_mongo_client[prefix].users.insert_one({})

    error = refused(guarded_settings, write_if_it_streams)
    assert "authorization failed" in error["message"]
    assert words in error["hint"]
    if name == "{}.insert":
        assert f"writing to {prefix}.insert failed" in error["message"]


def test_a_size_limit_that_may_not_be_seen(
    refused: Refused,
    guarded_settings: Document,
    guarded_kafka: GuardedKafka,
    guarded_mongo_client: MongoClient[Document],
    prefix: str,
) -> None:
    """Without DescribeConfigs the worker cannot know before what the topic does not take."""
    name = f"{prefix}.insert"
    admin = guarded_kafka.admin()
    admin.create_topics([NewTopic(name, 1, 1, config={"max.message.bytes": "50000"})])[name].result(ADMIN_SECONDS)

    def write(worker: WorkerProcess) -> None:
        worker.reached()
        guarded_mongo_client[prefix].users.insert_one({"text": "x" * 100_000})

    error = refused(guarded_settings, write)
    assert name in error["message"]
    assert "DescribeConfigs" in error["hint"]
    assert "message.max.bytes" in error["hint"]
