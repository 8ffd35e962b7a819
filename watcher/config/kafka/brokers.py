"""Checks of the required Kafka settings: the broker addresses and the client id."""

from __future__ import annotations

import re
from collections.abc import Iterator

from watcher.config.addresses import is_ipv6
from watcher.config.fault import Invalid, Refused
from watcher.config.topics.template import LONGEST_TOPIC

LONGEST_CLIENT_ID = LONGEST_TOPIC - len(".position")

PROTOCOLS = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
"""The values of `security.protocol`. A broker address may have one of them before `://`."""

_BROKER = re.compile(
    r"(?:(?P<protocol>[A-Za-z0-9_+.-]+)://)?(?:\[(?P<address>[^\[\]]+)\]|(?P<host>[^\[\]:;,/\s@\"']+))(?::(?P<port>[0-9]{1,5}))?"
)
_EXAMPLE = "for example localhost:9092"
_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]+")


def check_brokers(value: object) -> str:
    """Return comma-separated `host:port` addresses, given as text or as a list. Raises `Refused` or `Invalid` for anything else."""
    brokers = value.split(",") if isinstance(value, str) else value
    if not isinstance(brokers, (list, tuple)) or not all(isinstance(broker, str) for broker in brokers):
        raise Refused("must be host:port, or several of them separated by commas")
    brokers = [broker.strip() for broker in brokers if broker.strip()]
    if not brokers:
        raise Refused("is empty", hint=_EXAMPLE)
    if refusals := [refused for broker in brokers if (refused := _refusal(broker))]:
        raise Invalid(refusals)
    return ",".join(brokers)


def _refusal(broker: str) -> Refused | None:
    match = _BROKER.fullmatch(broker)
    if match is None or not 0 < int(match["port"] or 9092) < 65536 or not is_ipv6(match["address"] or "::1"):
        host = broker.rpartition("@")[2]  # never repeat a login
        return Refused(f"is not host:port: '{host}'", hint=f"{_EXAMPLE}; logins go into the [kafka] table")
    if match["protocol"] and match["protocol"].lower() not in PROTOCOLS:
        return Refused(
            f"is not host:port: '{broker}'", hint=f"Kafka has no {match['protocol']}://; write {broker.partition('://')[2]}"
        )
    return None


def misread_brokers(brokers: str, security_protocol: str) -> Iterator[Refused]:
    """Yield a refusal for each checked broker whose protocol differs from `security.protocol`: librdkafka would ignore it."""
    for broker in brokers.split(","):
        protocol, separator, address = broker.partition("://")
        if separator and protocol.lower() != security_protocol.lower():
            text = f"has {broker}, but security.protocol in [kafka] is {security_protocol}"
            yield Refused(text, hint=f'write {address}, and "security.protocol" = "{protocol.lower()}" if that is meant')


def check_client_id(client_id: str) -> str:
    """Return `client_id` unchanged. Raises `Refused` if the position topic cannot be named after it."""
    if not _CLIENT_ID.fullmatch(client_id):
        raise Refused(
            "must be one or more of A-Z a-z 0-9 . _ -", hint="the position topic is named after it; for example dashboard-watcher"
        )
    if len(client_id) > LONGEST_CLIENT_ID:
        raise Refused(f"has {len(client_id)} characters; at most {LONGEST_CLIENT_ID} fit into a topic name")
    return client_id
