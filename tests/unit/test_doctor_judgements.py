"""Judgements of doctor on facts that servers in tests do not have, or not soon enough."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from bson import Timestamp
from confluent_kafka import KafkaError
from confluent_kafka.admin import AclOperation

from tests.support.doctoring import as_settings, check_fix
from tests.support.worker import watcher_settings
from tests.unit.forgetful_admin import TIMESTAMP_MS, ForgetfulAdmin
from watcher import librdkafka
from watcher.doctor.check import Outcome
from watcher.doctor.clocks import judge_skew
from watcher.doctor.kafka.cluster import Kafka, _away_from_home, authentication
from watcher.doctor.kafka.copies import judge_copies
from watcher.doctor.kafka.lease import judge_lease
from watcher.doctor.kafka.topics import clock, judge_position_topic, judge_rights, judge_stamp
from watcher.doctor.kafka.transactions import judge_wanted_copies
from watcher.doctor.mongodb.collections import judge_collections, judge_expiry
from watcher.doctor.mongodb.database import judge_oplog
from watcher.doctor.mongodb.rights import missing_rights, without_lists
from watcher.doctor.mongodb.server import judge_majority, judge_version
from watcher.doctor.position import judge_active, judge_headroom, judge_owner
from watcher.doctor.record_times import judge_oldest, judge_retention
from watcher.kafka.position import Command, Stamp
from watcher.model import Owner
from watcher.oplog import Oplog

DAY = 86_400
GB = 2**30
SETTINGS = as_settings(watcher_settings("mongodb://h/shop", "h:9092", "shop"))
OK, WARNING, FAILED, NOT_CHECKED = Outcome.OK, Outcome.WARNING, Outcome.FAILED, Outcome.NOT_CHECKED


@pytest.mark.parametrize(("numbers", "outcome"), [([5, 0, 31, 0], FAILED), ([6, 0, 5, 0], OK), ([8, 0, 1, 0], OK)])
def test_mongodb_version(numbers: list[int], outcome: Outcome) -> None:
    text = ".".join(map(str, numbers[:3]))
    assert judge_version(text, numbers).outcome is outcome
    assert ("6.0.9" in judge_version(text, numbers).text) is (numbers[:2] == [6, 0])


def hello(behind: int, members: int = 3) -> dict[str, Any]:
    times = {"opTime": {"ts": Timestamp(1000, 1)}, "majorityOpTime": {"ts": Timestamp(1000 - behind, 1)}}
    return {"lastWrite": times, "hosts": ["h"] * members}


def test_majority() -> None:
    assert judge_majority(hello(0), []).text == "all 3 members answer"
    assert judge_majority(hello(0, members=1), []).outcome is OK
    check_fix(judge_majority(hello(0), ["b:1"]), WARNING, "b:1")
    check_fix(judge_majority(hello(60), ["b:1", "c:1"]), FAILED, "waited 1m", "bring back b:1, c:1")
    assert judge_majority({"msg": "isdbgrid"}, []).outcome is NOT_CHECKED


@pytest.mark.parametrize(
    ("window", "size", "max_size", "full", "outcome"),
    [
        (3 * DAY, 50 * GB, 50 * GB, True, OK),
        (3600, 50 * GB, 50 * GB, True, WARNING),  # holds an hour
        (60, 1 * GB, 50 * GB, False, OK),  # new
        (60, 2**20, 16 * 2**20, False, WARNING),  # new, and tiny
    ],
)
def test_oplog(window: int, size: int, max_size: int, full: bool, outcome: Outcome) -> None:
    found = judge_oplog(window, size, max_size, full=full)
    assert found.outcome is outcome
    assert outcome is OK or "replSetResizeOplog" in found.fix


def test_collections() -> None:
    found = {"users": "collection", "recent": "view", "system.views": "collection"}
    assert judge_collections(found, SETTINGS).text == "1 of 2 are watched: users"
    view = replace(SETTINGS, watch_collections=("recent",))
    check_fix(judge_collections(found, view), WARNING, "recent is a view")
    several = replace(SETTINGS, watch_collections=("recent", "load", "usrs"), exclude_collections=("sesions",))
    all_kinds = judge_collections(found | {"load": "timeseries", "system.buckets.load": "collection"}, several)
    check_fix(
        all_kinds, WARNING, "recent is a view", "load is a time series", "'usrs'; did you mean", "'sesions'", "below the view"
    )
    check_fix(
        judge_collections({"load": "timeseries"}, replace(SETTINGS, watch_collections=("l*",))), WARNING, "load is a time series"
    )
    unnamed = judge_collections(found | {"load": "timeseries"}, SETTINGS)
    assert unnamed.text == "1 of 3 are watched: users; no changes come of the time series load"
    nothing = replace(SETTINGS, exclude_collections=("*s", "re*"))
    check_fix(judge_collections(found, nothing), WARNING, "no collection is left")


def test_collections_that_are_not_watched_are_named() -> None:
    """Whoever keeps the names of an example and writes to others sees nothing, and wonders why."""
    there = {"orders": "collection", "users": "collection", "recent": "view", "system.views": "collection"}
    chosen = judge_collections(there, replace(SETTINGS, watch_collections=("users",)))
    assert (chosen.outcome, chosen.text) == (OK, "1 of 3 are watched: users; not watched: orders")
    wrong = judge_collections(there, replace(SETTINGS, watch_collections=("organizations",)))
    check_fix(wrong, WARNING, "no collection matches 'organizations'", "\nthere, and not watched: orders, users")
    many = judge_collections({f"c{number}": "collection" for number in range(9)}, replace(SETTINGS, watch_collections=("c8",)))
    assert many.text == "1 of 9 are watched: c8; not watched: c0, c1, c2, c3, c4, c5 …"


def test_collections_of_several_databases() -> None:
    values = watcher_settings("mongodb://h/", "h:9092", "shop") | {"watch_databases": ["tenant_*"]}
    found = {"tenant_1.orders": "collection", "tenant_2.orders": "collection", "tenant_2.system.views": "collection"}
    databases = ["tenant_1", "tenant_2"]
    fine = judge_collections(found, as_settings(values), databases)
    assert fine.text == "2 of 2 in 2 databases are watched: tenant_1.orders, tenant_2.orders"
    some = judge_collections(found, as_settings(values | {"watch_collections": ["tenant_1.orders"]}), databases)
    assert some.text == "1 of 2 in 2 databases are watched: tenant_1.orders; not watched: tenant_2.orders"
    wrong = as_settings(values | {"watch_databases": ["tenant_*", "shpo"], "watch_collections": ["tenant_2.oders", "orders"]})
    check_fix(judge_collections(found, wrong, databases), WARNING, "no database matches 'shpo'", "'tenant_2.oders'", "did you mean")
    check_fix(judge_collections({}, as_settings(values)), WARNING, "no database matches 'tenant_*'", "still to be created")


def test_names_of_other_settings_that_match_nothing() -> None:
    values = watcher_settings("mongodb://h/shop", "h:9092", "shop")
    wrong = {
        "exclude_fields": ["usr.phone", "*.iban"],
        "snapshot_collections": ["orders", "usres"],
        "snapshot_filter": {"usres": "{}"},
    }
    found = judge_collections(
        dict.fromkeys(("users", "orders"), "collection"), as_settings(values | wrong | {"watch_collections": []})
    )
    check_fix(found, WARNING, "exclude_fields: 'usr.phone': no collection matches 'usr'; did you mean 'users'?")
    check_fix(found, WARNING, "snapshot_collections: no collection matches 'usres'; did you mean 'users'?")
    check_fix(found, WARNING, "snapshot_filter: no collection matches 'usres'; did you mean 'users'?")
    assert "iban" not in found.text


def test_names_of_other_settings_that_match_nothing_in_several_databases() -> None:
    values = watcher_settings("mongodb://h/", "h:9092", "shop") | {"watch_databases": ["tenant_*"]}
    wrong = {"exclude_databases": ["tenant_tset", "tmp_*"], "exclude_fields": ["tenant_1.ordes.phone", "orders.iban"]}
    databases = ["admin", "tenant_1", "tenant_test"]
    found = judge_collections({"tenant_1.orders": "collection"}, as_settings(values | wrong), databases)
    check_fix(found, WARNING, "exclude_databases: no database matches 'tenant_tset'; did you mean 'tenant_test'?", "or remove them")
    check_fix(found, WARNING, "exclude_databases: no database matches 'tmp_*'")
    check_fix(found, WARNING, "exclude_fields: 'tenant_1.ordes.phone': no collection matches 'ordes'; did you mean 'orders'?")
    assert "iban" not in found.text
    right = as_settings(values | {"exclude_databases": ["tenant_test"], "exclude_fields": ["tenant_*.orders.phone"]})
    fine = judge_collections({"tenant_1.orders": "collection"}, right, databases)
    assert fine.text == "1 of 1 in 1 databases are watched: tenant_1.orders"


def test_topics_of_several_databases_are_not_known_before() -> None:
    values = watcher_settings("mongodb://h/", "h:9092", "shop") | {"watch_databases": ["*"], "kafka_topic_insert": "{database}.new"}
    kafka = Kafka(as_settings(values))
    assert kafka.names == ["anything.new", "shop.control", "shop.delete", "shop.update"]
    assert kafka.known_names == ["shop.control", "shop.delete", "shop.update", "shop-watcher.position"]
    assert Kafka(as_settings(values | {"mongodb_uri": "mongodb://h/d", "watch_databases": []})).known_names[0] == "d.new"


READ_ANY = [
    {"resource": {"db": "", "collection": ""}, "actions": ["changeStream", "find", "listCollections"]},
    {"resource": {"cluster": True}, "actions": ["listDatabases"]},
]
READ_TWO = [{"resource": {"db": f"tenant_{n}", "collection": ""}, "actions": ["changeStream", "find"]} for n in (2, 1)]
STREAM_ONLY = [{"resource": {"db": "", "collection": ""}, "actions": ["changeStream", "find"]}]
ROOT = [{"resource": {"anyResource": True}, "actions": ["changeStream", "find", "listCollections", "listDatabases"]}]


def test_rights_on_all_databases() -> None:
    assert [*missing_rights(READ_ANY), *without_lists(READ_ANY)] == []
    assert [*missing_rights(ROOT), *without_lists(ROOT)] == []
    assert [*missing_rights(READ_TWO)] == [
        f"{action} on all databases is missing; it is granted only on tenant_1, tenant_2" for action in ("find", "changeStream")
    ]
    assert [*missing_rights([])] == [f"{action} on all databases is missing" for action in ("find", "changeStream")]
    assert [*missing_rights(STREAM_ONLY)] == []
    assert [*without_lists(STREAM_ONLY)] == ["listDatabases on the cluster", "listCollections on all databases"]


@pytest.mark.parametrize(("ahead", "outcome"), [(0.0, OK), (-4.9, OK), (5.1, WARNING), (-60, WARNING), (3601, FAILED)])
def test_clock_skew(ahead: float, outcome: Outcome) -> None:
    assert judge_skew(ahead, "MongoDB").outcome is outcome


def test_a_slow_answer_is_no_skew() -> None:
    assert judge_skew(7.0, "MongoDB", error_seconds=3.0).outcome is OK


def test_kafkas_clock_shows_only_when_it_is_ahead() -> None:
    assert judge_stamp(-DAY).outcome is OK
    check_fix(judge_stamp(60), WARNING, "1m ahead of", "timedatectl")


def test_kafkas_clock_is_asked_for_again_while_a_leader_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(librdkafka, "STEP_SECONDS", 0.01)
    admin = ForgetfulAdmin({})
    admin.failures = iter([KafkaError.NOT_LEADER_FOR_PARTITION])
    kafka: Any = SimpleNamespace(
        settings=SETTINGS,
        existing=lambda: [SETTINGS.position_topic],
        topics=SimpleNamespace(config=lambda _: {"message.timestamp.type": "LogAppendTime"}),
        admin=admin,
        now=lambda: TIMESTAMP_MS / 1000 - 60,
    )
    check_fix(clock(kafka), WARNING, "1m ahead of", "timedatectl")


def topic(replicas: int, in_step: int, leader: int = 1) -> Any:
    partition = SimpleNamespace(replicas=[*range(replicas)], isrs=[*range(in_step)], leader=leader)
    return SimpleNamespace(partitions={0: partition})


def test_copies() -> None:
    assert judge_copies({"t": topic(1, 1)}, 1, {}).text == "one copy, on the only broker"
    assert judge_copies({"t": topic(3, 3)}, 3, {"t": 2}).text == "3 copies, all in step"
    check_fix(judge_copies({"t": topic(3, 2)}, 3, {"t": 2}), WARNING, "not in step")
    check_fix(judge_copies({"t": topic(1, 1)}, 3, {}), WARNING, "only one copy", "topic_replication_factor = 3")
    check_fix(judge_copies({"t": topic(3, 1)}, 3, {"t": 2}), FAILED, "1 in step", "min.insync.replicas is 2")
    check_fix(judge_copies({"t": topic(3, 3, leader=-1)}, 3, {}), FAILED, "no leader")


def test_copies_of_the_transaction_log() -> None:
    check_fix(judge_wanted_copies(3, 1), FAILED, "is 3, with 1 broker", "transaction.state.log.replication.factor=1")
    assert judge_wanted_copies(3, 3).outcome is OK


def test_sessions_that_are_too_short_for_the_brokers() -> None:
    check_fix(judge_lease(10_000, None, 0), FAILED, "group.min.session.timeout.ms is 10000", "group.min.session.timeout.ms=6000")
    check_fix(judge_lease(6000, 5000, 0), FAILED, "group.max.session.timeout.ms is 5000", "group.max.session.timeout.ms=6000")
    assert judge_lease(6000, 6000, 2).text == "may be had; workers that are active or stand by: 2"
    assert judge_lease(None, None, 0).outcome is OK


def test_topics_by_what_their_names_depend_on() -> None:
    by_operation = replace(
        SETTINGS,
        kafka_topic_insert="x.{operation}",
        kafka_topic_update="x.{operation}",
        kafka_topic_delete="x.{collection}",
        kafka_topic_control="control",
    )
    kafka = Kafka(by_operation)
    assert kafka.names == ["control", "x.anything", "x.insert", "x.replace", "x.update"]
    assert kafka.known_names == ["control", "x.insert", "x.replace", "x.update", SETTINGS.position_topic]


def test_rights() -> None:
    kafka = Kafka(SETTINGS)
    every = {AclOperation.WRITE, AclOperation.READ, AclOperation.DESCRIBE_CONFIGS}
    assert judge_rights(kafka, {"shop.insert": every, SETTINGS.position_topic: every}).outcome is OK
    without_read = {"shop.insert": every, SETTINGS.position_topic: {AclOperation.WRITE}}
    check_fix(judge_rights(kafka, without_read), FAILED, f"no Read on {SETTINGS.position_topic}", "--operation Read --topic")


def test_rights_for_several_hosts() -> None:
    rights = {"shop.insert": {AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS}}
    assert judge_rights(Kafka(SETTINGS), rights).outcome is OK
    several = judge_rights(Kafka(replace(SETTINGS, high_availability=True)), rights)
    check_fix(several, WARNING, "no Read on shop.insert: a host with an empty disk", "--operation Read --topic shop.insert")


def test_owner_of_a_watcher_that_runs_on_several_hosts() -> None:
    there = Owner("i", "host-b", 7)
    assert judge_active(Stamp(there, active_since="2024-01-01T12:03:00.000Z"), SETTINGS).outcome is OK
    assert judge_active(Stamp(there, command=Command("1", "rewind to noon")), SETTINGS).outcome is OK
    check_fix(
        judge_active(Stamp(there), SETTINGS), WARNING, "without a lease", "high_availability = true there too", "shop-watcher"
    )


def test_an_active_worker_that_has_written_nothing_for_long() -> None:
    there = Stamp(Owner("i", "host-b", 7), active_since="2024-01-01T12:03:00.000Z")
    assert judge_active(there, SETTINGS, silent_seconds=30.0).outcome is OK
    silent = judge_active(there, SETTINGS, silent_seconds=300.0)
    check_fix(silent, WARNING, "process 7 on host-b wrote it last, 5m ago: no worker is active, or it waits", "on every host")


def test_clocks_of_other_hosts_are_compared_with_kafka() -> None:
    assert judge_skew(2.0, "host-b", than="Kafka's").text == "host-b's and Kafka's are at most 5 s apart"
    assert judge_skew(-60.0, "host-b", than="Kafka's").text == "host-b's is 1m behind Kafka's"


@pytest.mark.parametrize(
    ("text", "away"),
    [
        ("kafka:9092/bootstrap: Connect failed", []),
        ("kafka:9092/1: Failed to resolve", ["kafka:9092 (Failed to resolve)"]),
        ("sasl_ssl://kafka:9092/12: Connect failed", ["kafka:9092 (Connect failed)"]),
    ],
)
def test_addresses_that_brokers_gave_themselves(text: str, away: list[str]) -> None:
    assert _away_from_home([KafkaError(KafkaError._TRANSPORT, text)]) == away
    assert _away_from_home([KafkaError(KafkaError._ALL_BROKERS_DOWN, text)]) == []


def test_headroom() -> None:
    full, new = Oplog(3600, size=100, max_size=100), Oplog(3600, size=1, max_size=100)
    assert "headroom of 1h" in judge_headroom(position=7200, now=7201, oplog=full).text
    assert judge_headroom(position=7200, now=7260, oplog=replace(full, oldest_seconds=7199)).outcome is OK
    check_fix(judge_headroom(position=7200, now=20_000, oplog=full), WARNING, "start the watcher now")
    assert judge_headroom(position=7200, now=20_000, oplog=new).text.endswith("with a headroom of more than 1h")
    assert "clusterMonitor" in judge_headroom(position=7200, now=7201, oplog=None).text


def test_owner() -> None:
    here = socket.gethostname()
    ours, other, dead = os.getpid(), os.getppid(), 2**22 + 1
    assert judge_owner(Owner("i", here, ours), ours, here, SETTINGS).outcome is OK
    assert judge_owner(Owner("i", here, dead), None, here, SETTINGS).outcome is OK
    assert judge_owner(Owner("i", here, dead), ours, here, SETTINGS).outcome is OK  # which is about to take over
    assert judge_owner(Owner("i", here, other), None, here, SETTINGS).outcome is OK
    check_fix(judge_owner(Owner("i", here, other), ours, here, SETTINGS), FAILED, "each would end the other", "shop-watcher")
    check_fix(judge_owner(Owner("i", "elsewhere", 1), ours, here, SETTINGS), FAILED, "process 1 on elsewhere")
    check_fix(judge_owner(Owner("i", "elsewhere", 1), None, here, SETTINGS), WARNING, "if it still runs there")


def test_owner_in_another_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    here = socket.gethostname()
    monkeypatch.setattr("watcher.doctor.position.command_line", lambda _: ["python", "-m", "watcher", "run", "of-another-name"])
    check_fix(judge_owner(Owner("i", here, os.getpid()), None, here, SETTINGS), WARNING, "outside this deployment")


WEEK = 7.0 * DAY


@pytest.mark.parametrize(
    ("limit", "behind", "reach", "outcome"),
    [
        (DAY, 2 * DAY, WEEK, Outcome.FAILED),
        (DAY, 2 * DAY, None, Outcome.FAILED),
        (DAY, 10, 2 * DAY, Outcome.WARNING),
        (DAY, 10, None, Outcome.WARNING),
        (WEEK, 10, DAY, Outcome.OK),
    ],
)
def test_how_old_changes_may_be(limit: float, behind: int, reach: int | None, outcome: Outcome) -> None:
    finding = judge_oldest({"t": limit}, behind, reach, "a command")
    assert finding.outcome is outcome
    assert "t takes no change older than " in finding.text


@pytest.mark.parametrize(
    ("kept", "behind", "reach", "outcome"),
    [
        ({}, 2 * DAY, DAY, Outcome.OK),
        ({"t": WEEK}, 10, DAY, Outcome.OK),
        ({"t": WEEK, "u": 60.0}, 10, DAY, Outcome.WARNING),
        ({"t": 60.0}, 61, None, Outcome.WARNING),
        ({"t": 60.0}, 10, None, Outcome.OK),
    ],
)
def test_how_long_late_messages_are_kept(kept: dict[str, float], behind: int, reach: int | None, outcome: Outcome) -> None:
    assert judge_retention(kept, behind, reach, "a command").outcome is outcome


@pytest.mark.parametrize(
    ("config", "outcome", "words"),
    [
        ({"cleanup.policy": "compact"}, Outcome.OK, "is compacted"),
        ({"cleanup.policy": "delete", "retention.ms": "-1"}, Outcome.WARNING, "grows for ever"),
        ({"cleanup.policy": "compact", "unclean.leader.election.enable": "true"}, Outcome.WARNING, "may lose the last positions"),
    ],
)
def test_a_position_topic_that_could_be_better(config: dict[str, str], outcome: Outcome, words: str) -> None:
    finding = judge_position_topic("t", config, lambda names, setting: f"{[*names]} {setting}")
    assert finding.outcome is outcome
    assert words in finding.text


@pytest.mark.parametrize(
    ("seconds", "wanted", "outcome"),
    [("off", "required", OK), (600, "required", WARNING), (600, "whenAvailable", OK)],
)
def test_how_long_images_are_kept(seconds: int | str, wanted: str, outcome: Outcome) -> None:
    finding = judge_expiry(seconds, replace(SETTINGS, full_document_before_change=wanted))
    assert finding.outcome is outcome
    assert ("10m" in finding.text) is (seconds == 600)
    assert ("whenAvailable" in finding.fix) is (outcome is WARNING)


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({}, "PLAINTEXT, without a user"),
        ({"security.protocol": "sasl_ssl", "sasl.mechanism": "PLAIN", "sasl.username": "ada"}, "SASL_SSL, as ada"),
        (
            {"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.client.id": "ada"},
            "SASL_SSL, as ada",
        ),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "AWS_MSK_IAM"}, "SASL_SSL, by AWS_MSK_IAM"),
        ({"security.protocol": "SSL", "ssl.certificate.location": "c.pem"}, "SSL, with a client certificate"),
        ({"security.protocol": "SSL"}, "SSL, without a user"),
    ],
)
def test_the_login_is_told_without_its_secret(properties: dict[str, str], text: str) -> None:
    assert authentication(Kafka(replace(SETTINGS, kafka=properties))).text == text
