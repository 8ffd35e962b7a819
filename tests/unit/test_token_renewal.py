"""Each kind of client renews its token by itself, though nobody polls it. No broker is needed for that."""

from __future__ import annotations

from collections import Counter

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from tests.support.token_server import TokenServer
from tests.support.waiting import eventually

TOKEN_LIFE_S = 2
KINDS = (Producer, Consumer, AdminClient)


def test_clients_that_nobody_polls_renew_their_tokens() -> None:
    secrets = {kind.__name__: "hunter2" for kind in KINDS}
    with TokenServer(TOKEN_LIFE_S, secrets) as tokens:
        common = {"security.protocol": "SASL_PLAINTEXT", "bootstrap.servers": "127.0.0.1:1", "log_level": 0}
        group = {"group.id": "g"}
        clients = [
            kind({**common, **(group if kind is Consumer else {}), **tokens.login(name)})
            for kind, name in zip(KINDS, secrets, strict=True)
        ]
        eventually(lambda: all(Counter(name for _, name in tokens.issued)[name] > 2 for name in secrets))
        del clients
