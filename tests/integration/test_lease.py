"""The lease, on a real Apache Kafka: one worker has it, and another one soon after that one is gone, hung or cut off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from tests.support.doctoring import as_settings
from tests.support.proxy import TcpProxy
from tests.support.waiting import eventually
from watcher.config import Settings
from watcher.errors import Outage
from watcher.kafka.lease import LEAVE_SECONDS, Lease
from watcher.kafka.lease_rules import HUNG_SECONDS, SESSION_SECONDS
from watcher.kafka.sink import KafkaSink
from watcher.model import Delivered, Owner
from watcher.position.switchover import members
from watcher.sandbox.kafka import ApacheKafka

SLACK_SECONDS = 4.0
"""For a busy machine, beyond what the protocol takes."""

Join = Callable[..., Lease]


@pytest.fixture
def lease_settings(apache: ApacheKafka, prefix: str) -> Callable[[str], Settings]:
    def settings(brokers: str = "") -> Settings:
        uri, client_id = f"mongodb://127.0.0.1/{prefix}", f"{prefix}-watcher"
        return as_settings({"mongodb_uri": uri, "kafka_brokers": brokers or apache.bootstrap, "kafka_client_id": client_id})

    return settings


@pytest.fixture
def join(lease_settings: Callable[[str], Settings]) -> Iterator[Join]:
    """`join(brokers)`: a worker's lease, which is given back at the end of the test."""
    with ExitStack() as stack:

        def join(brokers: str = "", **arguments: Any) -> Lease:
            lease = Lease(lease_settings(brokers), **arguments)
            lease.start()
            stack.callback(lease.close)
            return lease

        yield join


def holder(*leases: Lease, timeout_s: float = SESSION_SECONDS + SLACK_SECONDS) -> Lease:
    """The one that has it."""

    def look() -> list[Lease]:
        held = [lease for lease in leases if lease.turn()]
        assert len(held) < 2
        return held

    return eventually(look, timeout_s)[0]


def test_one_has_it_until_it_leaves_and_nobody_who_comes_takes_it(join: Join) -> None:
    first = join()
    assert holder(first, timeout_s=30) is first
    others = [join(), join()]
    assert_stays(first, *others, seconds=SESSION_SECONDS)
    first.close()
    assert not first.turn()
    second = holder(*others)
    assert_stays(second, *(lease for lease in others if lease is not second), seconds=2.0)


def assert_stays(active: Lease, *others: Lease, seconds: float) -> None:
    """The rebalances of this time do not move it."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        assert active.turn()
        assert not any(lease.turn() for lease in others)
        time.sleep(0.02)


@pytest.mark.parametrize("place", [0, 1], ids=["the holder", "a standby"])
def test_who_leaves_is_gone_at_once(place: int, join: Join, lease_settings: Callable[[str], Settings]) -> None:
    first = join()
    holder(first, timeout_s=30)
    both = [first, join()]
    eventually(lambda: both[1].is_decided, 30)
    assert members(lease_settings("")) == 2
    both[place].close()
    eventually(lambda: members(lease_settings("")) == 1, LEAVE_SECONDS)


def test_cut_off_from_kafka_it_knows_that_it_has_lost_it(join: Join, kafka_proxy: TcpProxy) -> None:
    first = join(kafka_proxy.address)
    holder(first, timeout_s=30)
    second = join()
    assert_stays(first, second, seconds=3.0)
    kafka_proxy.behave(swallow=True)
    eventually(lambda: not first.turn() and second.turn(), SESSION_SECONDS + SLACK_SECONDS)
    begun = time.monotonic()
    first.close()
    assert time.monotonic() - begun < LEAVE_SECONDS + 1
    kafka_proxy.heal()


def test_a_worker_whose_main_loop_hangs_gives_it_away_and_comes_back(join: Join) -> None:
    now = [0.0]
    hung = join(clock=lambda: now[0])
    holder(hung, timeout_s=30)
    other = join()
    assert_stays(hung, other, seconds=3.0)
    now[0] = HUNG_SECONDS
    eventually(other.turn, SESSION_SECONDS + SLACK_SECONDS)
    assert not hung.turn()  # and by this turn it may come back
    other.close()
    assert holder(hung) is hung


def test_without_the_position_topic_nobody_would_have_it_so_it_is_made_again(
    join: Join, lease_settings: Callable[[str], Settings], apache: ApacheKafka
) -> None:
    leases = [join(), join()]
    holder(*leases, timeout_s=30)
    admin = AdminClient(apache.admin_properties())
    topic = lease_settings("").position_topic
    admin.delete_topics([topic])[topic].result()
    eventually(lambda: not any(lease.turn() for lease in leases), 30)
    holder(*leases, timeout_s=60)


def test_it_says_why_it_cannot_join(lease_settings: Callable[[str], Settings], kafka_proxy: TcpProxy) -> None:
    kafka_proxy.refuse()
    with closing(Lease(lease_settings(kafka_proxy.address))) as lease:
        lease.start()
        with pytest.raises(Outage, match="Kafka does not answer"):
            eventually(lease.check, 30)


def test_a_standby_that_looks_before_the_position_topic_is_there_knows_of_nobody(lease_settings: Callable[[str], Settings]) -> None:
    """As on a fleet's first start: whoever gets the lease may take long to create it."""
    sink = KafkaSink(lease_settings(""), Owner("ours", "here", 1), Delivered())
    begun = time.monotonic()
    assert sink.look() is None
    assert time.monotonic() - begun < SLACK_SECONDS
