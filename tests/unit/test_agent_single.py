"""One message of a watcher, for programs and on its page, and the filter of the latest ones. Kafka is stood in for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.agent_page import EVIL, Elements, Page, row
from watcher.agent.page.single import MOST_BYTES
from watcher.consumer.delivered import DeliveredMessage, Message
from watcher.consumer.errors import ReadError
from watcher.consumer.reading import reader, single
from watcher.consumer.reading.single import SingleMessage
from watcher.fleet.status import WatcherState

PLACE = "shop.users-west-3-128"
PATH = f"/watchers/shop/messages/{PLACE}"

UPDATE: dict[str, Any] = {
    "operationType": "update",
    "collection": "users",
    "documentKey": {"_id": 7},
    "sequence": 41,
    "timestamp": "2024-01-01T12:00:00.000Z",
    "watcher": "shop",
    "updateDescription": {
        "updatedFields": {"address.city": "Łódź", "tags.1": "b", "new": 1},
        "removedFields": ["old"],
        "truncatedArrays": [{"field": "list", "newSize": 2}],
    },
    "fullDocumentBeforeChange": {"_id": 7, "address": {"city": "Lodz"}, "tags": ["a", "x"], "old": None},
}


def message(content: Message, text: bytes | None = None, **changes: Any) -> SingleMessage:
    delivered = DeliveredMessage(("shop.users-west", 3), text or orjson.dumps(content), content, 128)
    usual: dict[str, Any] = {
        "key": b'{"_id":7}',
        "headers": (("watcher.sequence", b"41"),),
        "at": datetime(2024, 1, 1, 12, tzinfo=UTC),
    }
    return SingleMessage(delivered, **{**usual, **changes})


Kafka = Callable[[SingleMessage | Exception | None], list[Any]]


@pytest.fixture
def page(tmp_path: Path) -> Page:
    page = Page(tmp_path)
    page.show(row("shop", WatcherState.STREAMING))
    return page


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    """`kafka(found)` has that message at every place, or raises that error; it returns the list of the places asked for."""

    def has(found: SingleMessage | Exception | None) -> list[Any]:
        asked: list[Any] = []

        def read(settings: Any, partition: Any, offset: int) -> SingleMessage | None:
            asked.append((settings.name, partition, offset))
            if isinstance(found, Exception):
                raise found
            return found

        monkeypatch.setattr(single, "read_single", read)
        return asked

    return has


def words(page: Page, path: str = PATH) -> str:
    return " ".join(Elements(page.get(path).text).text.split())


def test_the_page_has_the_place_the_key_the_headers_and_the_whole_json(page: Page, kafka: Kafka) -> None:
    asked = kafka(message(UPDATE))
    shown = words(page)
    assert asked == [("shop", ("shop.users-west", 3), 128)]
    assert "update in users" in shown
    for fact in (
        "Topic shop.users-west",
        "Partition 3",
        "Offset 128",
        "Sequence 41",
        'Key {"_id":7}',
        "Time in Kafka 2024-01-01T12:00",
    ):
        assert fact in shown
    assert "watcher.sequence 41" in shown
    assert '"documentKey": { "_id": 7 }' in shown
    assert f'href="{PATH}"' in page.get(PATH).text


def test_of_an_update_it_says_what_changed(page: Page, kafka: Kafka) -> None:
    kafka(message(UPDATE))
    shown = words(page)
    assert "Field Before After" in shown
    assert 'address.city "Lodz" "Łódź" tags.1 "x" "b" new 1 old null removed list shortened to 2' in shown
    kafka(message({**UPDATE, "fullDocumentBeforeChange": None}))
    assert 'Field After address.city "Łódź" tags.1 "b"' in words(page)
    kafka(message({**UPDATE, "operationType": "insert"}))
    assert "What changed" not in words(page)


def test_a_tombstone_has_neither_value_nor_key(page: Page, kafka: Kafka) -> None:
    kafka(message({"operationType": "tombstone", "sequence": 9}, b"null", key=None, headers=(("empty", None),), at=None))
    shown = words(page)
    assert "tombstone" in shown
    assert "Key - " in shown
    assert "empty -" in shown
    assert page.get(f"/api{PATH}").json["value"] is None


def test_hostile_texts_are_only_ever_text(page: Page, kafka: Kafka) -> None:
    hostile = {
        **UPDATE,
        "collection": EVIL,
        EVIL: EVIL,
        "updateDescription": {"updatedFields": {EVIL: EVIL}, "removedFields": [EVIL]},
    }
    kafka(message(hostile, key=EVIL.encode() + b"\xff", headers=((EVIL, EVIL.encode()),)))
    answer = page.get(PATH)
    elements = Elements(answer.text)
    assert elements.of("img") == []
    assert not [name for _, attributes in elements.all for name in attributes if name.startswith("on")]
    assert not set(answer.text) & {"\u202e", "\x1b"}
    (json_text,) = [part for part in elements.text.split("Value as JSON") if '"documentKey"' in part]
    assert "\\u202eevil" in json_text


def test_json_that_is_too_long_is_cut_and_the_rest_is_where_it_says(page: Page, kafka: Kafka) -> None:
    kafka(message({**UPDATE, "long": "x" * 2 * MOST_BYTES}))
    assert "Too long to be shown whole" in words(page)
    assert len(page.get(PATH).text) < 1.1 * MOST_BYTES
    assert len(page.get(f"/api{PATH}").json["value"]["long"]) == 2 * MOST_BYTES


def test_programs_get_the_value_byte_for_byte(page: Page, kafka: Kafka) -> None:
    kafka(message(UPDATE, b'{"price": 12.50, "big": 12345678901234567890123}'))
    answer = page.get(f"/api{PATH}")
    assert b'"value":{"price": 12.50, "big": 12345678901234567890123}' in answer.body
    assert answer.headers["content-type"] == "application/json"
    assert {key: answer.json[key] for key in ("topic", "partition", "offset", "key", "headers", "timestamp")} == {
        "topic": "shop.users-west",
        "partition": 3,
        "offset": 128,
        "key": '{"_id":7}',
        "headers": [["watcher.sequence", "41"]],
        "timestamp": "2024-01-01T12:00:00.000Z",
    }


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_where_there_is_no_message(page: Page, kafka: Kafka, prefix: str) -> None:
    asked = kafka(None)
    answer = page.get(prefix + PATH)
    assert answer.status == 404
    assert "is no message of shop; it may be one that Kafka has removed since" in answer.text
    for place in ("users", "users-1", "users-x-1", "a b-0-1", f"{'x' * 250}-0-1", "users-0-" + "9" * 19):
        assert page.get(f"{prefix}/watchers/shop/messages/{place}").status == 404
    assert page.get(f"{prefix}/watchers/nobody/messages/{PLACE}").status == 404
    assert len(asked) == 1


def test_kafka_that_does_not_answer_is_named(page: Page, kafka: Kafka) -> None:
    kafka(ReadError("Kafka does not answer", hint="is it up?"))
    for prefix in ("", "/api"):
        answer = page.get(prefix + PATH)
        assert answer.status == 503
        assert "Kafka does not answer. is it up?" in answer.text


def test_the_latest_messages_are_filtered(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: list[Callable[[Message], bool]] = []

    class Reader:
        found_all = True

        def __init__(self, settings: Any) -> None:
            pass

        def __enter__(self) -> Reader:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def last(self, count: int, wants: Callable[[Message], bool], *, shrink: Any, most_bytes: int) -> list[DeliveredMessage]:
            wanted.append(wants)
            return [shrink(DeliveredMessage(("shop.users", 3), b"", UPDATE, 128))]

    monkeypatch.setattr(reader, "MessageReader", Reader)
    (told,) = page.get("/api/watchers/shop/messages").json["messages"]
    assert (told["topic"], told["partition"], told["offset"]) == ("shop.users", 3, 128)
    page.get("/api/watchers/shop/messages?operation=update&collection=users&key=7")
    other = {**UPDATE, "operationType": "insert"}, {**UPDATE, "collection": "x"}, {**UPDATE, "documentKey": {"_id": 8}}
    assert [wanted[0](each) for each in (UPDATE, *other)] == [True] * 4
    assert [wanted[1](each) for each in (UPDATE, *other)] == [True, False, False, False]
