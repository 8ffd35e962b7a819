"""Checks that a watcher's workers can have a lease in its Kafka."""

from __future__ import annotations

import time

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AclOperation, ConsumerGroupDescription

from watcher.doctor.check import Check, Finding, failed, not_checked, ok
from watcher.doctor.kafka.cluster import ANSWER_SECONDS, ANSWERING, Kafka
from watcher.kafka.errors import translated
from watcher.kafka.lease_rules import SESSION_SECONDS
from watcher.kafka.properties import lease_group

SHORTEST_SESSION = "group.min.session.timeout.ms"
LONGEST_SESSION = "group.max.session.timeout.ms"
NO_COORDINATOR = {KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.NOT_COORDINATOR}
AGAIN_SECONDS = 0.2


def lease(kafka: Kafka) -> Finding:
    """Check that workers may join the lease's group, and that the brokers take its session time-out. Errors: as `translated`."""
    if not kafka.settings.high_availability:
        return ok("none is needed: high_availability is off")
    group = lease_group(kafka.settings)
    with translated(f"asking for the group {group}"):
        told = _described(kafka, group)
    if told and told.authorized_operations is None:
        return not_checked("because this broker does not tell the rights")
    if told is None or AclOperation.READ not in told.authorized_operations:
        return failed(f"no Read on the group {group}", kafka.acl("--operation Read", f"--group {group}"))
    shortest, longest = ([int(value) for value in kafka.broker_settings(name)] for name in (SHORTEST_SESSION, LONGEST_SESSION))
    return judge_lease(max(shortest, default=None), min(longest, default=None), len(told.members))


def _described(kafka: Kafka, group: str) -> ConsumerGroupDescription | None:
    """Describe the group; None if the principal may not. The first group of a Kafka has to wait for its coordinator. Raises
    KafkaException.
    """
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        asked = kafka.admin.describe_consumer_groups([group], include_authorized_operations=True, request_timeout=ANSWER_SECONDS)
        try:
            described: ConsumerGroupDescription = asked[group].result()
            return described
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.GROUP_AUTHORIZATION_FAILED:
                return None
            if code not in NO_COORDINATOR or time.monotonic() > deadline:
                raise
        time.sleep(AGAIN_SECONDS)


def judge_lease(shortest_ms: int | None, longest_ms: int | None, members: int) -> Finding:
    """Judge the sessions that all brokers take, any of which may come to coordinate the group: in milliseconds, None if that is not
    known. `members` are the workers."""
    ours_ms = int(SESSION_SECONDS * 1000)
    for name, limit_ms in (
        (SHORTEST_SESSION, max(shortest_ms or 0, ours_ms)),
        (LONGEST_SESSION, min(longest_ms or ours_ms, ours_ms)),
    ):
        if limit_ms != ours_ms:
            text = f"{name} is {limit_ms}, and the lease needs sessions of {ours_ms}: no worker gets it"
            return failed(text, f"in server.properties of each broker: {name}={ours_ms}")
    return ok(f"may be had; workers that are active or stand by: {members}")


CHECKS: tuple[Check[Kafka], ...] = (Check("kafka.lease", lease, needs=ANSWERING),)
