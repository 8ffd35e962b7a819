"""The collections as `verify` reads them: all of each, in the order of `_id`, whatever happens meanwhile."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Binary, Decimal128, Int64, MaxKey, MinKey, ObjectId, Timestamp, UuidRepresentation
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from tests.support.proxy import TcpProxy
from tests.support.worker import as_toml, watcher_settings
from watcher.config import load_one
from watcher.errors import Outage
from watcher.mongodb.errors import QueryRefused
from watcher.verification import source as module
from watcher.verification.errors import Unjudgeable
from watcher.verification.source import CHUNK, Document, SourceReader

Db = Database[dict[str, Any]]

ODD_IDS: list[Any] = [
    MinKey(), None, 1, 2.5, Int64(2**60), Decimal128("1.10"), float("nan"), "a", "ä", {"a": 1}, {"a": {"b": ObjectId()}},
    Binary(b"abc"), Binary.from_uuid(uuid.UUID(int=5), UuidRepresentation.STANDARD), ObjectId(), False, True,
    datetime(2024, 1, 1, tzinfo=UTC), Timestamp(1, 2), MaxKey(),
]  # fmt: skip


@pytest.fixture
def source(tmp_path: Path, mongo_proxy: TcpProxy, database: str) -> Iterator[SourceReader]:
    uri = f"mongodb://{mongo_proxy.address}/{database}?directConnection=true&serverSelectionTimeoutMS=300"
    settings = watcher_settings(uri, "localhost:1", database) | {"exclude_fields": ["*.secret", "*.a.b"]}
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "dashboard.toml").write_text(as_toml(settings))
    with SourceReader(load_one(tmp_path / "conf.d", "dashboard", {})) as source:
        yield source


def ids(chunks: Iterator[list[Document]]) -> list[bytes]:
    return [document.id for chunk in chunks for document in chunk]


def in_order(db: Db, collection: str) -> list[bytes]:
    """As MongoDB sorts them."""
    return [bson.encode({"_id": document["_id"]}) for document in db[collection].find({}, {"_id": 1}).sort("_id", 1)]


@pytest.mark.parametrize(
    "options",
    [{}, {"collation": {"locale": "sv", "strength": 1}}, {"clusteredIndex": {"key": {"_id": 1}, "unique": True}}],
    ids=["usual", "collation", "clustered"],
)
@pytest.mark.parametrize("chunk", [1, 2, 7, CHUNK])
def test_each_document_once_whatever_its_id(
    source: SourceReader, db: Db, options: dict[str, Any], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    db.create_collection("users", **options)
    db.users.insert_many([{"_id": id_, "secret": "s", "a": {"b": 1, "c": 2}} for id_ in ODD_IDS])
    expected = in_order(db, "users")
    assert len(expected) == len(ODD_IDS)
    documents = [document for chunk in source.chunks("users") for document in chunk]
    assert [document.id for document in documents] == expected
    assert all(bson.decode(document.raw).keys() == {"_id", "a"} for document in documents)
    assert all(bson.decode(document.raw)["a"] == {"c": 2} for document in documents)


def test_documents_are_found_again_by_their_ids(source: SourceReader, db: Db) -> None:
    """One of them is text that is not UTF-8."""
    odd = b"\x15\0\0\0\x02_id\0\x07\0\0\0odd\xff..\0\0"
    db.command("insert", "users", documents=[RawBSONDocument(odd), *({"_id": id_, "secret": "s"} for id_ in (1, "a", {"b": 2}))])
    chunks = list(source.chunks("users"))
    found = source.by_ids("users", ids(iter(chunks)))
    assert len(found) == 4
    assert found == {document.key: document for chunk in chunks for document in chunk}


@pytest.mark.parametrize("make_id", [int, str, lambda number: {"n": number}, lambda number: ObjectId(f"{number:024x}")])
def test_no_chunk_reads_what_was_read_before(
    source: SourceReader, db: Db, make_id: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 50)
    count = 5000
    db.users.insert_many([{"_id": make_id(number)} for number in range(count)])
    before = scanned(db)
    assert len(ids(source.chunks("users"))) == count
    assert scanned(db) - before < 2 * count


def scanned(db: Db) -> int:
    """Keys of indexes that the server has looked at since its start."""
    return int(db.client.admin.command("serverStatus")["metrics"]["queryExecutor"]["scanned"])


@pytest.mark.parametrize("name", ["empty", "nowhere"])
def test_nothing_to_read(source: SourceReader, db: Db, name: str) -> None:
    db.create_collection("empty")
    assert ids(source.chunks(name)) == []


def test_documents_that_do_not_fit_into_one_reply(source: SourceReader, db: Db) -> None:
    for number in range(5):
        db.users.insert_one({"_id": number, "text": "x" * 7_000_000})
    chunks = list(source.chunks("users"))
    assert [len(chunk) for chunk in chunks] == [2, 2, 1]
    assert ids(iter(chunks)) == in_order(db, "users")


@pytest.mark.parametrize("name", ["a..b", "a.", "sp ", "größe"])
def test_a_collection_of_any_name_that_mongodb_takes(source: SourceReader, db: Db, name: str) -> None:
    db.command("insert", name, documents=[{"_id": 1, "secret": "s"}, {"_id": 2}])
    assert source.collections() == [name]
    assert source.count(name) == 2
    assert ids(source.chunks(name)) == [bson.encode({"_id": id_}) for id_ in (1, 2)]
    assert len(ids(source.sample(name, 1))) == 1
    assert len(source.by_keys(name, [b"2", b"3"])) == 1


def test_what_goes_away_or_comes_between_two_chunks(source: SourceReader, db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 4)
    db.users.insert_many([{"_id": number} for number in range(10)])
    chunks = source.chunks("users")
    assert len(next(chunks)) == 4
    db.users.delete_many({"_id": {"$in": [3, 4]}})
    db.users.insert_one({"_id": 4.5})
    assert ids(chunks) == [bson.encode({"_id": id_}) for id_ in (4.5, 5, 6, 7, 8, 9)]


def test_goes_on_where_it_was_when_mongodb_comes_back(
    source: SourceReader, db: Db, mongo_proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 4)
    db.users.insert_many([{"_id": number} for number in range(10)])
    chunks = source.chunks("users")
    first = ids(iter([next(chunks)]))
    mongo_proxy.refuse()
    back = threading.Timer(1.0, mongo_proxy.accept)  # by then one request at least has failed
    back.start()
    assert first + ids(chunks) == in_order(db, "users")
    back.join()


def test_gives_up_when_mongodb_stays_away(
    source: SourceReader, db: Db, mongo_proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 4)
    db.users.insert_many([{"_id": number} for number in range(10)])
    chunks = source.chunks("users")
    next(chunks)
    monkeypatch.setattr(module, "OUTAGE_SECONDS", 0.0)
    mongo_proxy.refuse()
    with pytest.raises(Outage):
        next(chunks)


def by_pipeline(tmp_path: Path, mongo_proxy: TcpProxy, database: str, *stages: dict[str, Any]) -> SourceReader:
    """A reader of documents as these stages make them."""
    uri = f"mongodb://{mongo_proxy.address}/{database}?directConnection=true&serverSelectionTimeoutMS=300"
    settings = watcher_settings(uri, "localhost:1", database) | {"pipeline": json.dumps(stages)}
    (tmp_path / "staged").mkdir()
    (tmp_path / "staged" / "dashboard.toml").write_text(as_toml(settings))
    return SourceReader(load_one(tmp_path / "staged", "dashboard", {}))


HALF = {"$set": {"fullDocument.half": {"$divide": ["$fullDocument.n", 2]}}}
LARGE = {"$match": {"fullDocument.n": {"$ne": 7}}}


def test_documents_on_which_the_pipeline_fails(tmp_path: Path, mongo_proxy: TcpProxy, database: str, db: Db) -> None:
    db.users.insert_many([{"_id": number, "n": "x" if number in (0, 3, 1500) else number} for number in range(2000)])
    with by_pipeline(tmp_path, mongo_proxy, database, LARGE, HALF) as source:
        for documents in (
            [each for chunk in source.chunks("users") for each in chunk],
            [each for chunk in source.sample("users", 2000) for each in chunk],
            [*source.by_ids("users", [bson.encode({"_id": number}) for number in range(2000)]).values()],
            [*source.by_keys("users", [str(number).encode() for number in range(2100)]).values()],
        ):
            assert {int(each.key) for each in documents} == set(range(2000)) - {7}
            assert len(documents) == 1999
            assert {int(each.key) for each in documents if each.failure} == {0, 3, 1500}
            assert all(json.loads(each.text)["half"] == int(each.key) / 2 for each in documents if not each.failure)


def test_a_pipeline_that_fails_on_too_many(
    tmp_path: Path, mongo_proxy: TcpProxy, database: str, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_FAILING", 20)
    db.users.insert_many([{"_id": number, "n": "x"} for number in range(50)])
    with by_pipeline(tmp_path, mongo_proxy, database, HALF) as source, pytest.raises(Unjudgeable) as refused:
        list(source.chunks("users"))
    assert "`pipeline` fails on more than 20 documents, such as users 20: MongoDB does not take it" in str(refused.value)
    assert "$convert" in refused.value.hint


def test_a_pipeline_that_needs_no_document_to_fail(tmp_path: Path, mongo_proxy: TcpProxy, database: str, db: Db) -> None:
    db.users.insert_one({"_id": 1})
    nonsense = {"$set": {"fullDocument.half": {"$nonsense": 2}}}
    with by_pipeline(tmp_path, mongo_proxy, database, nonsense) as source, pytest.raises(QueryRefused, match="nonsense"):
        list(source.chunks("users"))
