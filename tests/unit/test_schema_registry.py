"""Questions of workers and readers to a schema registry, and their ways with its answers."""

from __future__ import annotations

import json
import logging
import re
import ssl
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import pytest
import trustme
from confluent_kafka import Message

from tests.support.fake_registry import FakeRegistry, fake_registry
from tests.support.plain_settings import settings
from tests.support.still_clock import StillClock
from tests.support.waiting import eventually
from tests.unit.change_events import change, encoder
from watcher.config import Settings
from watcher.consumer.delivered import decoded, parse
from watcher.consumer.errors import ReadError
from watcher.decoding.places import TopicPlaces
from watcher.errors import ConfigurationError, CredentialsRefused, NotPermitted, Outage, Stop
from watcher.messages.serializations.avro_schemas import DOCUMENT, GENERIC
from watcher.registry import schema_ids_of
from watcher.registry.client import Refusal, SchemaRegistry
from watcher.registry.id_check import LOOK_SECONDS, RETRY_SECONDS
from watcher.registry.schema_ids import SchemaIds
from watcher.registry.schema_reader import SchemaReader

TOPIC = "dashboard.users"
REFUSED = {"error_code": 409, "message": "Schema being registered is incompatible"}


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with fake_registry() as registry:
        yield registry


def avro(registry: FakeRegistry, **properties: Any) -> Settings:
    return settings(serialization="avro", schema_registry={"url": registry.url, "timeout": 1, **properties})


def ids(registry: FakeRegistry, clock: StillClock | None = None, **properties: Any) -> SchemaIds:
    return SchemaIds(avro(registry, **properties), clock or StillClock())


def posts(registry: FakeRegistry) -> list[str]:
    return [path for method, path, _ in registry.requests if method == "POST"]


def test_json_has_no_ids() -> None:
    assert schema_ids_of(settings()) is None


def test_schemas_are_registered_once(registry: FakeRegistry) -> None:
    known = ids(registry)
    assert known(TOPIC, GENERIC) == known(TOPIC, GENERIC) == (b"\0\0\0\0\1", b"\0\0\0\0\2")
    assert posts(registry) == [f"/subjects/{TOPIC}-key/versions", f"/subjects/{TOPIC}-value/versions"]
    assert json.loads(registry.schemas[2])["name"] == "Message"


@pytest.mark.parametrize(
    ("strategy", "subjects"),
    [
        ("TopicNameStrategy", [f"{TOPIC}-key", f"{TOPIC}-value"]),
        ("RecordNameStrategy", ["watcher.document.Document", "watcher.document.Key"]),
        ("TopicRecordNameStrategy", [f"{TOPIC}-watcher.document.Document", f"{TOPIC}-watcher.document.Key"]),
    ],
)
def test_subjects_are_named_by_topic_and_record(registry: FakeRegistry, strategy: str, subjects: list[str]) -> None:
    ids(registry, **{"subject.name.strategy": f"io.confluent.kafka.serializers.subject.{strategy}"})(TOPIC, DOCUMENT)
    assert sorted(registry.subjects) == subjects


def test_one_subject_for_all_topics_is_asked_for_once(registry: FakeRegistry) -> None:
    known = ids(registry, **{"subject.name.strategy": "record"})
    assert known("one", GENERIC) == known("other", GENERIC)
    assert len(posts(registry)) == 2


def test_nothing_is_registered_for_those_who_do_it_themselves(registry: FakeRegistry) -> None:
    known = ids(registry, **{"auto.register.schemas": False})
    with pytest.raises(ConfigurationError, match=r"does not have watcher\.generic\.Key as dashboard\.users-key") as error:
        known(TOPIC, GENERIC)
    assert "Register it" in error.value.hint
    assert registry.subjects == {}
    for part, record in (("key", GENERIC.key), ("value", GENERIC.value)):
        registry.register(f"{TOPIC}-{part}", record.text)
    assert known(TOPIC, GENERIC) == (b"\0\0\0\0\1", b"\0\0\0\0\2")


def test_the_latest_version_may_differ_in_documentation_alone(registry: FakeRegistry) -> None:
    documented = {**GENERIC.value.schema, "doc": "ours", "fields": [{**f, "doc": "told"} for f in GENERIC.value.schema["fields"]]}
    registry.register(f"{TOPIC}-key", GENERIC.key.text)
    registry.register(f"{TOPIC}-value", json.dumps(documented))
    known = ids(registry, **{"use.latest.version": True})
    assert known(TOPIC, GENERIC)[1] == b"\0\0\0\0\2"
    fields = documented["fields"]
    registry.register(f"{TOPIC}-value", json.dumps({**documented, "fields": [fields[1], fields[0], *fields[2:]]}))
    with pytest.raises(ConfigurationError, match="is another one than"):
        ids(registry, **{"use.latest.version": True})(TOPIC, GENERIC)


def test_normalizing_is_asked_for(registry: FakeRegistry) -> None:
    ids(registry, **{"normalize.schemas": True})(TOPIC, GENERIC)
    assert all(path.endswith("?normalize=true") for path in posts(registry))


@pytest.mark.parametrize(
    ("status", "content", "kind", "told"),
    [
        (409, REFUSED, ConfigurationError, "incompatible"),
        (422, {"error_code": 42201, "message": "Invalid schema"}, ConfigurationError, "Invalid schema"),
        (401, {"error_code": 40101, "message": "User cannot access"}, CredentialsRefused, "refuses the credentials"),
        (403, {"error_code": 40301, "message": "denied"}, NotPermitted, "does not permit"),
        (404, b"<html>nothing here", ConfigurationError, "nothing here"),
        (500, {"error_code": 50001, "message": "store is down"}, Outage, "store is down"),
        (503, b"", Outage, "HTTP 503"),
        (429, b"", Outage, "HTTP 429"),
        (200, b"<html>", Outage, "no JSON"),
        (200, {"identity": 1}, Outage, "no id"),
        (200, {"id": 2**31}, Outage, "no id"),
        (200, [], Outage, "no id"),
    ],
)
def test_each_answer_has_its_meaning(registry: FakeRegistry, status: int, content: Any, kind: type[Exception], told: str) -> None:
    registry.fails_with = status, content
    with pytest.raises(kind, match=told) as error:
        ids(registry)(TOPIC, GENERIC)
    assert type(error.value) is kind
    assert error.value.hint  # type: ignore[attr-defined]  # all of them are errors of ours


def test_a_slow_registry_is_an_outage(registry: FakeRegistry) -> None:
    registry.holds.clear()
    with pytest.raises(Outage, match="does not answer within 1 s") as error:
        ids(registry)(TOPIC, GENERIC)
    assert (error.value.component, error.value.code) == ("schema-registry", "timed_out")


def test_a_registry_that_is_away_is_an_outage(registry: FakeRegistry) -> None:
    known = ids(registry)
    known(TOPIC, GENERIC)
    with fake_registry() as other:
        gone = other.url
    with pytest.raises(Outage, match="cannot be reached") as error:
        ids(registry, url=gone)(TOPIC, GENERIC)
    assert error.value.code == "unreachable"


def test_the_first_address_that_answers_is_used(registry: FakeRegistry) -> None:
    with fake_registry() as other:
        gone = other.url
    assert ids(registry, url=f"{gone}, {registry.url}/")(TOPIC, GENERIC) == (b"\0\0\0\0\1", b"\0\0\0\0\2")


def test_known_ids_need_no_registry(registry: FakeRegistry, caplog: pytest.LogCaptureFixture) -> None:
    clock = StillClock()
    known = ids(registry, clock)
    prefixes = known(TOPIC, GENERIC)
    registry.fails_with = 500, {}
    clock.now += LOOK_SECONDS
    with caplog.at_level(logging.WARNING, "watcher"):
        for _ in range(3):
            asked = len(registry.requests)

            def is_asked_again(asked: int = asked) -> bool:
                """Use the ids later. The thread of the look before may not have ended, and then nobody asks."""
                clock.now += RETRY_SECONDS
                assert known(TOPIC, GENERIC) == prefixes
                return len(registry.requests) > asked

            eventually(is_asked_again)
    assert len(caplog.records) == 1
    with pytest.raises(Outage):
        known("another", GENERIC)


def test_looks_hold_up_nobody_while_messages_come(registry: FakeRegistry) -> None:
    clock = StillClock()
    known = ids(registry, clock)
    prefixes = known(TOPIC, GENERIC)
    registry.holds.clear()
    clock.now += LOOK_SECONDS / 2
    asked = len(registry.requests)
    begun = time.monotonic()
    assert known(TOPIC, GENERIC) == prefixes
    assert time.monotonic() - begun < 0.5  # of the second that an answer may take
    eventually(lambda: len(registry.requests) > asked)
    registry.wipe(7)
    registry.holds.set()
    eventually(lambda: known(TOPIC, GENERIC) == (b"\0\0\0\0\7", b"\0\0\0\0\x08"))


def test_after_a_pause_a_look_comes_before_the_message(registry: FakeRegistry) -> None:
    clock = StillClock()
    known = ids(registry, clock)
    known(TOPIC, GENERIC)
    registry.wipe(7)
    clock.now += LOOK_SECONDS
    assert known(TOPIC, GENERIC) == (b"\0\0\0\0\7", b"\0\0\0\0\x08")


@pytest.mark.parametrize("occupied", [False, True], ids=["unknown", "another schema's"])
def test_ids_of_a_registry_that_was_wiped_are_asked_for_anew(registry: FakeRegistry, occupied: bool) -> None:
    clock = StillClock()
    known = ids(registry, clock)
    known(TOPIC, GENERIC)
    registry.wipe(1 if occupied else 7)
    if occupied:
        for number in range(2):
            registry.register("other", json.dumps({"type": "enum", "name": f"E{number}", "symbols": ["A"]}))
    clock.now += LOOK_SECONDS
    key, value = known(TOPIC, GENERIC)
    assert registry.schemas[int.from_bytes(key[1:])] == GENERIC.key.text
    assert registry.schemas[int.from_bytes(value[1:])] == GENERIC.value.text


def test_opening_asks_anew(registry: FakeRegistry) -> None:
    known = ids(registry)
    known(TOPIC, GENERIC)
    registry.wipe(7)
    known.renew(avro(registry), [(TOPIC, GENERIC)])
    assert known(TOPIC, GENERIC) == (b"\0\0\0\0\7", b"\0\0\0\0\x08")


def authorization(registry: FakeRegistry, **properties: Any) -> str:
    SchemaRegistry(avro(registry, **properties).schema_registry).subjects()
    return registry.requests[-1][2]


def test_basic_authentication(registry: FakeRegistry) -> None:
    told = f"Basic {b64encode(b'ada:p:w').decode()}"
    assert authorization(registry, **{"basic.auth.user.info": "ada:p:w"}) == told
    assert authorization(registry, url=registry.url.replace("//", "//ada:p%3Aw@")) == told
    assert authorization(registry) == ""


def test_a_fixed_token(registry: FakeRegistry) -> None:
    token = {"bearer.auth.credentials.source": "STATIC_TOKEN", "bearer.auth.token": "abc"}
    assert authorization(registry, **token) == "Bearer abc"


def test_a_token_of_an_oauth_server_is_fetched_once(registry: FakeRegistry) -> None:
    with fake_registry() as server:
        server.fails_with = 200, {"access_token": "abc", "expires_in": 3600}
        properties = {
            "bearer.auth.credentials.source": "OAUTHBEARER",
            "bearer.auth.issuer.endpoint.url": f"{server.url}/token",
            "bearer.auth.client.id": "watcher",
            "bearer.auth.client.secret": "secret",
            "bearer.auth.scope": "registry",
        }
        client = SchemaRegistry(avro(registry, **properties).schema_registry)
        client.subjects()
        client.subjects()
        assert [told for _, _, told in registry.requests] == ["Bearer abc"] * 2
        assert server.requests == [("POST", "/token", f"Basic {b64encode(b'watcher:secret').decode()}")]
        server.fails_with = 401, {"error": "invalid_client"}
        with pytest.raises(CredentialsRefused):
            SchemaRegistry(avro(registry, **properties).schema_registry).subjects()
        server.fails_with = 200, {"token": "abc"}
        with pytest.raises(Outage, match="gives no token"):
            SchemaRegistry(avro(registry, **properties).schema_registry).subjects()


def test_tls(tmp_path: Path) -> None:
    ca, other = trustme.CA(), trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    other.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    ours = ca.issue_cert("watcher@example.com")
    ours.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    ours.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    mine = {"ssl.certificate.location": str(tmp_path / "cert.pem"), "ssl.key.location": str(tmp_path / "key.pem")}
    with fake_registry(tls=context) as registry:
        assert authorization(registry, **{"ssl.ca.location": str(tmp_path / "ca.pem"), **mine}) == ""
        with pytest.raises(Outage, match="cannot be trusted") as error:
            authorization(registry, **{"ssl.ca.location": str(tmp_path / "other.pem"), **mine})
        assert error.value.code == "tls"
        with pytest.raises(ConfigurationError, match=r"ssl\.ca\.location cannot be used"):
            authorization(registry, **{"ssl.ca.location": str(tmp_path / "missing.pem")})


def test_no_password_is_told(registry: FakeRegistry) -> None:
    registry.fails_with = 401, b""
    with pytest.raises(CredentialsRefused) as error:
        authorization(registry, url=registry.url.replace("//", "//ada:topsecret@"))
    assert "topsecret" not in str(error.value) + error.value.hint


def test_a_reader_asks_for_each_schema_once(registry: FakeRegistry) -> None:
    registry.register("any", GENERIC.value.text)
    schema_of = SchemaReader({"url": registry.url})
    assert schema_of(1) == schema_of(1) == GENERIC.value.schema
    assert len(registry.requests) == 1


def test_a_reader_does_not_ask_again_and_again_for_what_is_not_there(registry: FakeRegistry) -> None:
    schema_of = SchemaReader({"url": registry.url})
    for _ in range(3):
        with pytest.raises(LookupError, match="no schema 9"):
            schema_of(9)
    assert len(registry.requests) == 1


def test_a_reader_rides_out_an_outage(registry: FakeRegistry) -> None:
    registry.register("any", GENERIC.value.text)
    registry.fails_with = 503, b""
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        registry.fails_with = None if len(waits) == 2 else registry.fails_with

    assert SchemaReader({"url": registry.url}, patience_s=60, wait=wait)(1) == GENERIC.value.schema
    assert len(waits) == 2
    registry.fails_with = 503, b""
    with pytest.raises(Outage):
        SchemaReader({"url": registry.url})(1)


def test_compatibility_is_told(registry: FakeRegistry) -> None:
    client = SchemaRegistry({"url": registry.url})
    registry.fails_with = 200, {"is_compatible": False}
    assert not client.is_compatible(TOPIC, "{}")
    registry.fails_with = 404, {"error_code": 40401, "message": "Subject not found"}
    with pytest.raises(Refusal):
        client.is_compatible(TOPIC, "{}")


def documented() -> Iterator[tuple[int, str]]:
    """Statuses with what docs/errors.md says of a worker then."""
    page = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8").partition("## Schema registry")[2]
    for statuses, does in re.findall(r"^\| HTTP ([\d, ]+).*\| ([^|]+) \|$", page, re.MULTILINE):
        yield from ((int(status), does) for status in statuses.replace(" ", "").strip(",").split(","))


@pytest.mark.parametrize(("status", "does"), [*documented()])
def test_a_worker_does_what_the_page_of_errors_says(registry: FakeRegistry, status: int, does: str) -> None:
    registry.fails_with = status, {}
    with pytest.raises((Outage, Stop)) as error:
        ids(registry)(TOPIC, GENERIC)
    told = "keeps trying" if isinstance(error.value, Outage) else f"stops with {error.value.exit_code:d}"
    assert told == does


def test_readers_say_that_the_registry_is_away() -> None:
    with fake_registry() as other:
        gone = other.url
    places = TopicPlaces(schema_of=SchemaReader({"url": gone}))
    record = Message(topic=TOPIC, partition=0, offset=0, key=None, value=b"\0\0\0\0\1\2")
    with pytest.raises(ReadError, match="cannot be reached") as error:
        decoded(record, places)
    assert error.value.hint.endswith("that the registry runs.")


def test_a_listing_shows_the_message_as_json(registry: FakeRegistry) -> None:
    for record in (GENERIC.key, GENERIC.value):
        registry.register("any", record.text)
    made = encoder(serialization="avro").encode(bson.encode(change("delete")), 7)
    value = made.value or b""
    record = Message(topic=TOPIC, partition=0, offset=0, key=None, value=b"\0\0\0\0\2" + value[5:], headers=made.headers)
    delivered = parse(record, "dashboard-watcher", TopicPlaces(schema_of=SchemaReader({"url": registry.url})))
    assert delivered is not None
    assert json.loads(delivered.text) == delivered.message
    assert delivered.sequence == 7
