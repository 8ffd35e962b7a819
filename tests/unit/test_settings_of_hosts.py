"""Settings that one host shows to the others: no secret is in them, and what differs is named."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.doctoring import as_settings
from watcher.config import Settings
from watcher.config.hosts import LONGEST_TOLD, differences, told_settings
from watcher.kafka.position import Command, Stamp
from watcher.kafka.standby import ActiveWorkers, ToldSettings, dump_settings, load_settings
from watcher.model import Active, Owner

BASE: dict[str, Any] = {
    "mongodb_uri": "mongodb://127.0.0.1/dashboard",
    "kafka_brokers": "127.0.0.1:9092",
    "kafka_client_id": "dashboard-watcher",
    "high_availability": True,
}
THERE, HERE = Owner("b0", "host-b", 2), Owner("a0", "host-a", 1)
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
SINCE = "2024-01-01T12:03:00.000Z"


def settings(**changes: Any) -> Settings:
    return as_settings({**BASE, **changes})


def named(theirs: Settings, ours: Settings) -> tuple[str, ...]:
    return differences(told_settings(theirs), told_settings(ours), "host-b")


def test_what_differs_is_named_with_both_values() -> None:
    assert named(settings(batch_size=500), settings(batch_size=1000)) == ("host-b has batch_size = 500, this host 1000",)
    assert named(settings(watch_collections="users"), settings()) == ('host-b has watch_collections = users, this host ""',)


def test_an_entry_of_a_table_may_be_missing() -> None:
    theirs, ours = settings(kafka={"linger.ms": 5}), settings(kafka={"client.dns.lookup": "use_all_dns_ips"})
    assert set(named(theirs, ours)) == {
        "host-b has kafka.linger.ms = 5, this host nothing",
        "host-b has kafka.client.dns.lookup = nothing, this host use_all_dns_ips",
    }


def test_a_setting_that_one_release_does_not_know_is_no_difference() -> None:
    ours = told_settings(settings())
    assert differences({**ours, "of_a_later_release": "7"}, ours, "host-b") == ()
    assert differences({key: text for key, text in ours.items() if key != "batch_size"}, ours, "host-b") == ()


@pytest.mark.parametrize(
    "changes",
    [{"log_level": "debug"}, {"kafka": {"client.rack": "b"}}, {"kafka": {"ssl.ca.location": "/etc/hostname"}}],
    ids=["log_level", "client.rack", "the place of a file"],
)
def test_what_belongs_to_a_host_may_differ(changes: dict[str, Any]) -> None:
    assert named(settings(**changes), settings()) == ()


def test_a_long_value_is_told_by_its_digest() -> None:
    queries = [{"snapshot_filter": {"users": json.dumps({"name": {"$in": ["x" * LONGEST_TOLD, end]}})}} for end in ("a", "b")]
    theirs, ours = (settings(**query) for query in queries)
    assert named(theirs, ours) == ("host-b has another snapshot_filter.users",)
    assert all(len(text) <= LONGEST_TOLD for text in told_settings(theirs).values())


passwords = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=12, max_size=40).map("pw{}".format)


@given(passwords, passwords, st.sampled_from(["sasl.password", "ssl.key.password", "sasl.oauthbearer.config"]))
def test_no_secret_is_told_nor_anything_that_depends_on_one(password: str, other: str, key: str) -> None:
    def told(secret: str) -> dict[str, str]:
        uri = f"mongodb://app:{secret}@127.0.0.1/dashboard?authMechanismProperties=AWS_SESSION_TOKEN:{secret}"
        return told_settings(settings(mongodb_uri=uri, kafka={key: secret, "sasl.username": "app"}))

    text = json.dumps(told(password))
    assert password not in text
    assert hashlib.sha256(password.encode()).hexdigest() not in text
    assert told(password) == told(other)


sizes = st.fixed_dictionaries(
    {},
    optional={
        "batch_size": st.integers(1, 100_000),
        "exclude_collections": st.lists(st.sampled_from(["a", "b", "c"]), unique=True),
        "on_position_lost": st.sampled_from(["fail", "restart"]),
        "kafka": st.dictionaries(st.sampled_from(["linger.ms", "batch.num.messages"]), st.integers(1, 50)),
    },
)


@given(sizes, sizes)
def test_nothing_is_named_only_if_the_settings_are_the_same(one: dict[str, Any], another: dict[str, Any]) -> None:
    theirs, ours = settings(**one), settings(**another)
    there, here = named(theirs, ours), named(ours, theirs)
    assert (there == ()) is (theirs == ours)
    assert len(there) == len(here)


@given(sizes)
def test_they_survive_their_text(changes: dict[str, Any]) -> None:
    told = settings(**changes)
    assert load_settings(dump_settings(THERE, told, NOON), THERE) == ToldSettings(told_settings(told), NOON.timestamp())


@pytest.mark.parametrize(
    "text", [b"", b"yesterday", b"{}", b"[]", b'{"owner": 1}', b'{"owner": {"instance": "b0"}, "settings": 7}']
)
def test_what_cannot_be_read_is_not_compared(text: bytes) -> None:
    assert load_settings(text, THERE) is None


def test_a_standby_compares_once_for_each_worker_that_is_active() -> None:
    ours = settings()
    workers = ActiveWorkers(ours)
    read: list[bytes] = []

    def settings_text() -> bytes:
        read.append(dump_settings(THERE, settings(batch_size=500), NOON))
        return read[-1]

    for _ in range(2):
        active = workers.seen(Stamp(THERE, active_since=SINCE), settings_text)
        assert active == Active(THERE, SINCE, (f"host-b has batch_size = 500, this host {ours.batch_size}",))
    assert len(read) == 1
    again = replace(THERE, instance="b1")
    assert workers.seen(Stamp(again, active_since=SINCE), settings_text) == Active(again, SINCE), "the record is another worker's"
    assert len(read) == 2


def test_a_command_is_not_active() -> None:
    workers = ActiveWorkers(settings())
    assert workers.seen(Stamp(HERE, command=Command("1", "rewind")), lambda: b"") is None
    assert workers.seen(None, lambda: b"") is None
