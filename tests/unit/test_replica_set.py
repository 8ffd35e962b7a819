"""A wrong replicaSet in mongodb_uri: the error names the set in which the server is."""

from __future__ import annotations

import ssl
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import ConfigurationError

from tests.support.doctoring import as_settings, check_fix, look_at_mongodb
from tests.support.imitation import Imitation
from tests.support.security import Certificates
from tests.support.worker import watcher_settings
from watcher.doctor.check import Outcome, ok
from watcher.errors import Outage
from watcher.mongodb.change_stream import ChangeStream

SHORT = "replicaSet=other&serverSelectionTimeoutMS=500"


def settings(hosts: str, options: str = SHORT) -> dict[str, Any]:
    return watcher_settings(f"mongodb://app:hunter2@{hosts}/shop?{options}", "h:9092", "shop")


def outage(values: dict[str, Any]) -> Outage:
    """Return what a worker is told."""
    with closing(ChangeStream(as_settings(values))) as stream, pytest.raises(Outage) as caught:
        stream.open_now()
    return caught.value


@pytest.mark.parametrize(
    ("hello", "text", "hint"),
    [
        ({}, "is in 'rs0'.", "Write replicaSet=rs0 in mongodb_uri, or leave it out; then watcherctl apply."),
        ({"setName": None, "hosts": None, "me": None}, "is in none.", "Start mongod with --replSet"),
        (
            {"setName": None, "hosts": None, "me": None, "msg": "isdbgrid"},
            "is a router of a sharded cluster.",
            "Leave replicaSet out",
        ),
    ],
)
def test_the_set_is_named(hello: dict[str, Any], text: str, hint: str) -> None:
    with Imitation({}, hello) as server:
        told = outage(settings(server.address))
        assert str(told) == f"mongodb_uri names the replica set 'other', and {server.address} {text}"
        assert hint in told.hint
        assert told.code == "NotThisReplicaSet"


def test_doctor_names_it() -> None:
    with Imitation({}) as server:
        found = look_at_mongodb(settings(server.address))
    assert found["mongodb.reachable"] == ok("a server answers")
    words = (f"names the replica set 'other', and {server.address} is in 'rs0'", "Write replicaSet=rs0")
    check_fix(found["mongodb.replica-set"], Outcome.FAILED, *words)
    assert "rs.initiate" not in found["mongodb.replica-set"].fix


def test_the_set_is_named_behind_a_certificate_that_nobody_checks(tmp_path: Path) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(Certificates(tmp_path).server)
    with Imitation({}, tls=tls) as server:
        told = outage(settings(server.address, f"{SHORT}&ssl=true&tlsInsecure=true".replace("replicaSet", "replicaset")))
        assert str(told) == f"mongodb_uri names the replica set 'other', and {server.address} is in 'rs0'."


def test_dns_that_fails_meanwhile_leaves_the_drivers_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise ConfigurationError("The DNS query name does not exist: _mongodb._tcp.cluster0.example.net.")

    monkeypatch.setattr("watcher.mongodb.replica_set.parse_uri", failing)
    with Imitation({}) as server:
        told = outage(settings(server.address))
    assert "No server of mongodb_uri is in the replica set that it names" in str(told)


def test_a_server_that_has_gone_meanwhile_leaves_the_drivers_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.mongodb.client.another_set", lambda _: None)
    with Imitation({}) as server:
        told = outage(settings(server.address))
    assert "No server of mongodb_uri is in the replica set that it names" in str(told)
    assert "Correct replicaSet" in told.hint
