"""Kafka's side of the required settings: where the brokers are, and under which name the watcher writes."""

from __future__ import annotations

import re

from watcher.config.fault import Refused
from watcher.config.topic_template import LONGEST_TOPIC

LONGEST_CLIENT_ID = LONGEST_TOPIC - len(".position")

_BROKER = re.compile(r"(?:[A-Za-z_]+://)?(?:\[[0-9A-Fa-f:.]+\]|[^\[\]:,/\s@]+)(?::(?P<port>\d{1,5}))?")
_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]+")


def check_brokers(value: object) -> str:
    """Comma separated `host:port`, from such text or from a list of them; raises `Refused` for anything else."""
    brokers = value.split(",") if isinstance(value, str) else value
    if not isinstance(brokers, (list, tuple)) or not all(isinstance(broker, str) for broker in brokers):
        raise Refused("must be host:port, or several of them separated by commas")
    brokers = [broker.strip() for broker in brokers if broker.strip()]
    if not brokers:
        raise Refused("is empty", hint="for example localhost:9092")
    for broker in brokers:
        match = _BROKER.fullmatch(broker)
        if match is None or not 0 < int(match["port"] or 9092) < 65536:
            host = broker.rpartition("@")[2]  # never repeat a login
            raise Refused(f"is not host:port: '{host}'", hint="for example localhost:9092; logins go into the [kafka] table")
    return ",".join(brokers)


def check_client_id(client_id: str) -> str:
    """`client_id` as it is; raises `Refused` when no topic for the position can be named after it."""
    if not _CLIENT_ID.fullmatch(client_id):
        raise Refused(
            "must be one or more of A-Z a-z 0-9 . _ -", hint="the position topic is named after it; for example dashboard-watcher"
        )
    if len(client_id) > LONGEST_CLIENT_ID:
        raise Refused(f"has {len(client_id)} characters; at most {LONGEST_CLIENT_ID} fit into a topic name")
    return client_id
