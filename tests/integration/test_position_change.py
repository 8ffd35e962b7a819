"""`watcherctl position`: what is delivered after a change, what is refused, and that it can be taken back."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from pymongo.database import Database

from tests.support.doctoring import as_settings
from tests.support.kafka_topics import add_partitions, create_topic, delete_topic
from tests.support.waiting import eventually
from tests.support.worker import Inbox, Launch, WorkerProcess
from watcher.cli import run_command_line
from watcher.errors import ExitCode, TakenOver
from watcher.kafka.position import CLAIM_KEY, POSITION_KEY, dump
from watcher.kafka.sink import KafkaSink
from watcher.kafka.transactions.writer import Writer
from watcher.model import Delivered, Owner, ResumeToken
from watcher.model import Position as Place
from watcher.mongodb.change_stream import ChangeStream
from watcher.position.change import change
from watcher.sandbox.kafka import ApacheKafka, Broker

pytest_plugins = ["tests.support.worker_fixtures"]

Document = dict[str, Any]
Db = Database[Document]
Position = Callable[..., str]

ADMIN_SECONDS = 20
MILLION = 1_000_000
LONG_AGO = "2001-01-01T00:00:00Z"


@pytest.fixture
def position(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Position:
    """`position("show", …)` runs `watcherctl position show dashboard …`; what it printed, with errors if it must fail."""

    def run(action: str, *arguments: str, code: int = 0) -> str:
        done = run_command_line(["position", action, "dashboard", *arguments, "--config", str(tmp_path / "conf.d")])
        out, err = capsys.readouterr()
        assert done == code, out + err
        return out if code == 0 else out + err

    return run


def shown(position: Position) -> Document:
    document: Document = json.loads(position("show", "--json"))
    return document


def summary(messages: list[Document]) -> list[tuple[str, Any]]:
    return [(each["operationType"], each.get("documentKey", {}).get("_id")) for each in messages]


def stopped_after(launch: Launch, settings: Document, db: Db, inbox: Inbox, *ids: str, apart: bool = False) -> WorkerProcess:
    """A worker that has delivered inserts of `ids`, each in a second of its own if they are `apart`, and was stopped."""
    worker = launch(settings)
    worker.reached()
    for _id in ids:
        time.sleep(1.1 if apart else 0)  # positions chosen by time have whole seconds
        db.users.insert_one({"_id": _id})
    inbox.messages(len(ids))
    assert worker.stop() == 0
    return worker


def second_of(message: Document) -> str:
    return datetime.fromisoformat(message["timestamp"]).astimezone(UTC).replace(microsecond=0).isoformat()


def test_a_rewind_delivers_again_exactly_what_came_since_and_can_be_undone(
    launch: Launch, settings: Document, inbox: Inbox, db: Db, position: Position, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = stopped_after(launch, settings, db, inbox, "a", "b", "c", apart=True)
    first = inbox.messages(3)
    stood = shown(position)["position"]

    position("rewind", "--at", second_of(first[1]), "--yes")
    worker.start()
    worker.reached()
    db.users.insert_one({"_id": "d"})
    again = inbox.messages(7)[3:]
    assert summary(again) == [("rewind", None), ("insert", "b"), ("insert", "c"), ("insert", "d")]
    assert [each["sequence"] for each in again] == [MILLION + 1, MILLION + 2, MILLION + 3, MILLION + 4]
    assert [each["eventId"] for each in again[1:3]] == [each["eventId"] for each in first[1:]]
    assert again[0]["to"] == f"{second_of(first[1]).removesuffix('+00:00')}.000Z"
    assert (again[0]["from"], again[0]["lastEventId"]) == (stood["time"], stood["token"]["_data"])
    assert "rewind to" in again[0]["reason"]
    assert worker.stop() == 0

    stood_later = shown(position)["position"]
    position("rewind", "--undo", "--yes")
    assert shown(position)["position"] == stood
    position("set", "--undo", "--yes")  # whichever command undoes; an undo, too, can be undone
    assert shown(position)["position"] == stood_later
    position("reset", "--undo", "--yes")
    worker.start()
    assert summary(inbox.messages(11)[7:]) == [("rewind", None), ("gap", None), ("rewind", None), ("insert", "d")]
    state = shown(position)
    assert state["sequence"] == 4 * MILLION + 2
    assert [each["what"].partition(" ")[0] for each in state["history"]] == ["undo", "undo", "undo", "rewind"]

    done = run_command_line(["verify", "dashboard", "--json", "--config", str(tmp_path / "conf.d")])
    found = json.loads(capsys.readouterr().out)
    assert done == 0, found
    assert found["sequence"]["lost"] == found["sequence"]["repeated"] == 0
    assert [4, MILLION] in found["sequence"]["announced"]


def test_set_goes_on_after_a_message_and_tells_what_is_left_out(
    launch: Launch, settings: Document, inbox: Inbox, db: Db, position: Position
) -> None:
    worker = stopped_after(launch, settings, db, inbox, "a", "b", "c")
    messages = inbox.messages(3)
    position("set", messages[0]["eventId"], "--yes")
    position("set", messages[1]["eventId"], "--yes")  # forward now
    worker.start()
    later = inbox.messages(6)[3:]
    assert summary(later) == [("rewind", None), ("gap", None), ("insert", "c")]
    assert (later[1]["lastEventId"], later[1]["sequence"]) == (messages[0]["eventId"], 2 * MILLION + 1)


def test_reset_begins_where_start_from_says(launch: Launch, settings: Document, inbox: Inbox, db: Db, position: Position) -> None:
    stopped_after(launch, settings, db, inbox, "a")
    db.users.insert_one({"_id": "left out"})
    time.sleep(1.1)
    position("reset", "--yes")
    worker = launch(settings)
    worker.reached()
    db.users.insert_one({"_id": "b"})
    assert summary(inbox.messages(3)) == [("insert", "a"), ("gap", None), ("insert", "b")]
    assert worker.stop() == 0

    launch(settings | {"start_from": "earliest"}).stop()
    position("reset", "--yes")
    launch(settings)
    assert summary(inbox.messages(7)[3:]) == [("rewind", None), ("insert", "a"), ("insert", "left out"), ("insert", "b")]


def test_what_is_refused_changes_nothing(
    launch: Launch, settings: Document, inbox: Inbox, db: Db, position: Position, tmp_path: Path
) -> None:
    worker = launch(settings)
    worker.reached()
    db.users.insert_one({"_id": "a"})
    event_id = inbox.messages(1)[0]["eventId"]
    assert worker.stop() == 0
    before = shown(position)
    assert before["history"] == []

    refused = position("rewind", "--at", LONG_AGO, "--yes", code=1)
    [oldest] = re.findall(r"oldest possible time is (\S+)\.\n", refused)
    position("rewind", "--at", oldest, "--dry-run")
    assert "goes back" in position("rewind", "--at", "2099-01-01T00:00:00Z", "--yes", code=1)
    assert "cannot be used" in position("set", "8265F0C1A2000000FFFF", "--yes", code=1)
    assert "eventId" in position("set", "not a token", "--yes", code=2)
    assert "no change to take back" in position("reset", "--undo", "--yes", code=1)
    position("rewind", code=2)
    position("set", event_id, "--undo", code=2)
    assert "say --yes" in position("rewind", "--at", oldest, code=2)
    after = shown(position)
    assert after == before | {key: after[key] for key in ("behindSeconds", "headroomSeconds")}


def test_it_is_refused_beside_a_worker_that_nobody_fences(
    launch: Launch, settings: Document, inbox: Inbox, db: Db, position: Position
) -> None:
    worker = launch(settings | {"delivery": "at-least-once"})
    worker.reached()
    db.users.insert_one({"_id": "a"})
    [message] = inbox.messages(1)
    refused = position("set", message["eventId"], "--yes", code=1)
    assert 'only while it is stopped (delivery = "at-least-once")' in refused
    assert "watcherctl stop dashboard" in refused
    assert worker.stop() == 0
    position("reset", "--yes")


def test_it_is_refused_beside_a_worker_that_would_end(
    launch: Launch, settings: Document, inbox: Inbox, db: Db, position: Position, kafka: Broker
) -> None:
    """Its claim has no `live`, as those of 0.1.0."""
    worker = launch(settings)
    worker.reached()
    owner = shown(position)["owner"]
    claim = json.dumps({"version": 1, "owner": owner}).encode()
    write(kafka, f"{settings['kafka_client_id']}.position", 0, claim, CLAIM_KEY)
    refused = position("reset", "--yes", code=1)
    assert "of a release that would end" in refused
    assert shown(position)["history"] == []
    db.users.insert_one({"_id": "a"})
    assert len(inbox.messages(1)) == 1
    assert not worker.ended


def test_a_worker_elsewhere_goes_on(
    launch: Launch, settings: Document, inbox: Inbox, db: Db, position: Position, tmp_path: Path
) -> None:
    elsewhere = launch(settings, state_dir=tmp_path / "elsewhere")
    elsewhere.reached()
    db.users.insert_one({"_id": "a"})
    [first] = inbox.messages(1)
    time.sleep(1.1)
    position("rewind", "--at", second_of(first), "--yes")
    db.users.insert_one({"_id": "b"})
    messages = inbox.messages(4)
    assert not elsewhere.ended
    assert elsewhere.logged("warning") + elsewhere.logged("error") == []
    assert summary(messages) == [("insert", "a"), ("rewind", None), ("insert", "a"), ("insert", "b")]
    assert [each["sequence"] for each in messages] == [1, MILLION + 1, MILLION + 2, MILLION + 3]


def test_a_position_that_cannot_be_read_is_set_anew(
    launch: Launch, settings: Document, inbox: Inbox, db: Db, position: Position, kafka: Broker
) -> None:
    worker = stopped_after(launch, settings, db, inbox, "a", "b")
    first, _ = inbox.messages(2)
    producer = Producer(kafka.admin_properties())
    producer.produce(f"{settings['kafka_client_id']}.position", b"garbage", POSITION_KEY)
    assert producer.flush(10) == 0
    assert "cannot be read" in position("show", code=1)
    position("set", first["eventId"], "--yes")
    worker.start()
    again = inbox.messages(4)[2:]
    assert summary(again) == [("gap", None), ("insert", "b")]
    assert "from" not in again[0]
    assert [each["sequence"] for each in again] == [MILLION + 1, MILLION + 2]


def test_show_tells_of_a_position_that_is_gone_from_kafka(
    launch: Launch, settings: Document, inbox: Inbox, db: Db, position: Position, kafka: Broker
) -> None:
    stopped_after(launch, settings, db, inbox, "a")
    topic = f"{settings['kafka_client_id']}.position"
    admin = AdminClient(kafka.admin_properties())
    admin.delete_topics([topic])[topic].result(ADMIN_SECONDS)
    eventually(lambda: topic not in admin.list_topics(timeout=ADMIN_SECONDS).topics)
    shown = position("show", code=1)
    assert "has delivered before, but" in shown
    assert "position reset dashboard" in shown


def test_show_tells_of_a_position_that_mongodb_no_longer_holds(settings: Document, position: Position, tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "dashboard.toml").write_text(
        "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    )
    sink = KafkaSink(as_settings(settings), Owner("of-the-tests", "somewhere", 1), Delivered())
    sink.deliver([], sink.open().moved({"_data": "8200000001" + "00" * 8}))
    sink.close()
    shown = position("show", code=1)
    assert "1970-01-01T00:00:01.000Z" in shown
    assert "fault     That position cannot be used." in shown


class InterruptedSink(KafkaSink):
    """One whose next claim comes late: `before_fencing` is called, and `meanwhile` once it has fenced its predecessor."""

    before_fencing: Callable[[], object] | None = None
    meanwhile: Callable[[], object] | None = None

    def _new_writer(self) -> Writer:
        if before_fencing := self.before_fencing:
            self.before_fencing = None
            before_fencing()
        writer = super()._new_writer()
        if meanwhile := self.meanwhile:
            self.meanwhile = None
            meanwhile()
        return writer


def test_a_worker_that_takes_over_during_a_command_tells_of_it(settings: Document, db: Db) -> None:
    """It is no outage, although our name does not stand there yet."""
    ours, token = as_settings(settings), present(settings)
    with closing(KafkaSink(ours, Owner("before", "somewhere", 1), Delivered())) as before:
        before.deliver([], before.open().moved(token))
    db.users.insert_one({"_id": "a"})
    target = eventually(lambda: next((each for each in [present(settings)] if each["_data"] > token["_data"]), None))
    with closing(InterruptedSink(ours, Owner("after", "somewhere", 2), Delivered())) as sink:
        sink.meanwhile = lambda: change(ours, Delivered(), target, "set to the present")
        with pytest.raises(TakenOver, match="a command is done: set to the present"):
            sink.open()
        assert sink.open().token == target


def test_a_command_that_comes_and_goes_before_a_worker_fences_it_is_told_once(settings: Document) -> None:
    """The worker opens again and again, as in an outage of MongoDB, and its claim hides that of the command."""
    ours, token = as_settings(settings), present(settings)
    with closing(InterruptedSink(ours, Owner("ours", "somewhere", 1), Delivered())) as sink:
        sink.deliver([], sink.open().moved(token))
        sink.before_fencing = lambda: change(ours, Delivered(), token, "set to the present")
        with pytest.raises(TakenOver, match="a command is done: set to the present"):
            sink.open()
        assert sink.open().token == token
        assert sink.open().token == token


def test_show(launch: Launch, settings: Document, inbox: Inbox, db: Db, position: Position) -> None:
    launch(settings).stop()
    worker = launch(settings)
    worker.reached()
    db.users.insert_one({"_id": "a"})
    [message] = inbox.messages(1)
    state = shown(position)
    assert state["position"] == {"time": f"{message['timestamp'][:19]}.000Z", "token": {"_data": message["eventId"]}}
    assert (state["sequence"], state["fault"], state["history"]) == (1, None, [])
    assert state["owner"]["pid"] == worker.pid
    assert state["headroomSeconds"] >= 0
    assert state["behindSeconds"] >= 0
    text = position("show")
    assert message["eventId"] in text
    assert f"process {worker.pid} on" in text


def present(settings: Document) -> ResumeToken:
    """MongoDB's position now."""
    with closing(ChangeStream(as_settings(settings))) as stream:
        return stream.open_now()


def write(kafka: Broker, topic: str, partition: int, saved: bytes, key: bytes = POSITION_KEY) -> None:
    """A record of the position topic, without a transaction. A release that left the partition to the partitioner wrote others."""
    producer = Producer(kafka.admin_properties())
    eventually(lambda: len(producer.list_topics(topic, timeout=20).topics[topic].partitions) > partition)
    producer.produce(topic, saved, key, partition)
    assert producer.flush(20) == 0


def test_the_advice_about_several_partitions_keeps_the_position(
    position: Position, launch: Launch, settings: Document, apache: ApacheKafka, db: Db, inbox: Inbox
) -> None:
    """An older release wrote positions to whichever partition; the newest is shown, and can be set again."""
    worker = stopped_after(launch, settings, db, inbox, "a")
    topic = f"{settings['kafka_client_id']}.position"
    before = shown(position)
    add_partitions(apache, topic, 3)
    token = present(settings)
    write(apache, topic, 2, dump(Place(db.name, Owner(**before["owner"]), token, before["sequence"] + 1)))
    seen = shown(position)
    assert (seen["position"]["token"], seen["sequence"]) == (token, 2)
    db.users.insert_one({"_id": "b"})
    worker.start()
    assert worker.wait(60) == ExitCode.POSITION_LOST
    delete_topic(apache, topic)
    create_topic(apache, topic, {"cleanup.policy": "compact"})
    position("set", json.dumps(token), "--yes")
    worker.start().reached()
    db.users.insert_one({"_id": "c"})
    assert summary(inbox.messages(4)) == [("insert", "a"), ("gap", None), ("insert", "b"), ("insert", "c")]
