"""clients/node without servers: what is published, and that it judges messages as the Python library does."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import tarfile
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from confluent_kafka import Message as Record

from tests.golden_envelopes import CONTROL_TOPIC, ENVELOPES, ROOM, cases
from tests.golden_messages import SEQUENCE
from tests.support.javascript import as_doubles
from tests.support.node_package import CLIENT, built_package, in_node, tarball
from tests.unit.change_events import AVRO_SCHEMAS, encoder
from watcher import __version__
from watcher.consumer.change import Change, read
from watcher.consumer.delivered import Partition
from watcher.consumer.ordering.sequence_order import SequenceOrder
from watcher.consumer.registration.operations import check_selection
from watcher.consumer.registration.routes import Route, Routes
from watcher.consumer.snapshots import SnapshotCompleted
from watcher.decoding.places import TopicPlaces
from watcher.operations import ROW_OPERATIONS

FORMATS = {"generic": "plain", **ENVELOPES}
TEMPLATE = "database.update"
PARTITIONS: list[Partition] = [(topic, 0) for topic in ("insert", "update", "delete")]
RANDOM_LOGS = 400


@pytest.fixture(scope="module")
def package() -> Path:
    return built_package()


def test_what_npm_would_publish(package: Path) -> None:
    with tarfile.open(tarball(package)) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
    modules = {f"dist/{each.relative_to(CLIENT / 'src').with_suffix('')}" for each in (CLIENT / "src").rglob("*.ts")}
    assert names == {"package.json", "README.md", "LICENSE"} | {f"{name}{end}" for name in modules for end in (".js", ".d.ts")}
    assert tarball(package).stat().st_size < 60_000


def test_it_has_the_version_of_the_watchers() -> None:
    assert json.loads((CLIENT / "package.json").read_text())["version"] == __version__


def test_the_programs_in_its_readme_have_the_right_types(package: Path, tmp_path: Path) -> None:
    """They are compiled as a user's program is: against the declarations that are published."""
    programs = re.findall(r"```ts\n(.*?)```", (CLIENT / "README.md").read_text(), re.DOTALL)
    assert len(programs) >= 3
    for number, program in enumerate(programs):
        (package / f"readme-{number}.ts").write_text(program)
    (package / "wrong.ts").write_text('import { DatabaseChangeConsumer } from "database-watcher-consumer";\n' + WRONG)
    files = [f"readme-{number}.ts" for number in range(len(programs))]
    compiler = [
        "node",
        "node_modules/typescript/bin/tsc",
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--module",
        "nodenext",
        "--target",
        "es2022",
    ]
    done = subprocess.run([*compiler, *files, "wrong.ts"], cwd=package, capture_output=True, text=True, timeout=60, check=False)
    assert [line.partition("(")[0] for line in done.stdout.splitlines() if not line.startswith(" ")] == ["wrong.ts"], done.stdout


TEXT = b"abc" * 40 + b"The quick brown fox. " * 30
BYTES = base64.b64decode("9bFlIkpYt5HfavHYMD5hzcS7hsPRxCcQPDRMQYnrLx571dR+RG/Owg==")
FRAMES = [
    ("BCJNGGRApykAAAA/YWJjAwBi/wZUaGUgcXVpY2sgYnJvd24gZm94LiAVAP//S1Bmb3guIAAAAABNt5AJ", TEXT),
    ("BCJNGGBAgikAAAA/YWJjAwBi/wZUaGUgcXVpY2sgYnJvd24gZm94LiAVAP//S1Bmb3guIAAAAAA=", TEXT),
    ("BCJNGGRApygAAID1sWUiSli3kd9q8dgwPmHNxLuGw9HEJxA8NExBiesvHnvV1H5Eb87CAAAAAGd/tdk=", BYTES),
]
"""Frames that `lz4 -9`, `lz4 --no-frame-crc` and `lz4` have made. The last one holds its block as it is."""

WRONG = 'new DatabaseChangeConsumer({ brokers: ["a:1"], groupId: "g", topics: ["t"], options: { atempts: 3 } });\n'


@pytest.mark.parametrize("serialization", ["json", "avro"])
def test_messages_are_read_to_the_same(package: Path, serialization: str) -> None:
    """All kinds of events and values, in all envelopes, and control messages."""
    records = [
        record(message.topic, message.key, message.value, message.headers, message.timestamp_ms)
        for envelope, dialect in FORMATS.items()
        for one in cases()
        for message in encoder(
            envelope=envelope, json_format=dialect, serialization=serialization, kafka_headers=True
        ).messages_for(bytes.fromhex(one["event"]), SEQUENCE, lambda topic, one=one: limit(topic, one), one["missing"])
    ]
    ours = in_node(package, "decode", [as_arguments(each) for each in records])
    places = TopicPlaces(TEMPLATE, schema_of=AVRO_SCHEMAS.__getitem__)
    theirs = [read(each, PARTITIONS[0], places) for each in records]
    assert len(ours) > 250
    for one, other in zip(ours, theirs, strict=True):
        assert as_doubles(one["message"]) == as_doubles(dict(other.message))
        assert (one["version"], one["token"]) == (other.version, other.token)


def test_what_no_watcher_has_written_is_none(package: Path) -> None:
    sound = {"operationType": "insert", "database": "d", "collection": "c", "documentKey": {"_id": 1}, "watcher": "w"}
    sound |= {"sequence": 1, "timestamp": "2024-01-01T12:00:00Z"}
    wrong = [{"sequence": "1"}, {"sequence": True}, {"sequence": None}, {"database": 1}, {"timestamp": None}, {"documentKey": []}]
    wrong += [{"collection": 1}, {"eventId": 1}, {"snapshot": 1}, {"operationType": None}, {"watcher": []}]
    wrong += [{"operationType": "gap", "timestamp": "yesterday"}]
    values = [b"{", b"null", b"[]", b"1", b"{}", b"", None, b"\0\0\0\0\1x", *(json.dumps(sound | each).encode() for each in wrong)]
    records = [record("t", b"k", value, (), 0) for value in [json.dumps(sound).encode(), *values]]
    first, *others = in_node(package, "decode", [as_arguments(each) for each in records])
    assert first["message"] == sound
    assert others == [None] * len(values)


def test_messages_are_put_into_the_same_order(package: Path, rng: Random) -> None:
    """Backlogs at random, with lost positions, repeated messages and silent partitions, read at any speed."""
    scripts = [random_reading(rng) for _ in range(RANDOM_LOGS)]
    ours = in_node(package, "order", [{"waitMs": 2000, "partitions": PARTITIONS, "steps": steps} for steps in scripts])
    for steps, result in zip(scripts, ours, strict=True):
        assert result == in_python(steps), steps


def test_the_same_handler_takes_a_message(package: Path, rng: Random) -> None:
    patterns = ["*", "users", "user*", "u?ers", "[tu]sers", "[!u]*", "[a-z]sers", "a.b", "a*b", "[]]", "u[", "[z-a]", "ä*"]
    names = ["users", "tsers", "orders", "a.b", "axb", "]", "u[", "ä.ö", None]
    calls = []
    for _ in range(600):
        routes = [
            {"collection": rng.choice(patterns), "operations": rng.sample([*ROW_OPERATIONS, "drop", "*"], 2)}
            | ({"database": rng.choice(patterns)} if rng.random() < 0.4 else {})
            for _ in range(rng.randrange(1, 4))
        ]
        message = {"operationType": rng.choice([*ROW_OPERATIONS, "drop", "new"]), "database": rng.choice(names[:-1])}
        message |= {"collection": rng.choice(names), "watcher": "w", "sequence": 1, "timestamp": "2024-01-01T12:00:00Z"}
        calls.append({"routes": routes, "message": message})
    found = in_node(package, "route", calls)
    assert found == [chosen_in_python(**each) for each in calls]
    assert {"refused", None, 0, 1} <= set(found)


def test_what_a_snapshot_covers(package: Path) -> None:
    base = {"operationType": "snapshotCompleted", "database": "d", "watcher": "w", "sequence": 9, "snapshot": "s"}
    base |= {"timestamp": "2024-01-01T12:00:00Z", "startedSequence": 1, "documents": 3}
    one = {"operationType": "snapshotCollectionCompleted", "collection": "users"}
    messages = [
        base,
        base | {"collections": ["users", "o*"], "filters": {"users": "{}"}},
        base | one | {"filtered": False},
        base | one | {"filtered": True},
        base | {"database": "*"},
        base | {"database": "*", "collections": ["t1.users", "orders", "t[.]x.a"], "filters": {"t2.orders": "{}"}},
        base | {"database": "*", "collections": ["*.users"], "filters": {"users": "{}"}},
    ]
    asked = [(name, database) for name in ("users", "orders", "a") for database in (None, "d", "t1", "t2", "t.x")]
    calls = [{"message": each, "collection": name, "database": database} for each in messages for name, database in asked]
    theirs = [SnapshotCompleted.of(as_change(each)).covers(name, database) for each in messages for name, database in asked]
    assert in_node(package, "covers", calls) == theirs
    assert {True, False} == set(theirs)


SOUND = {"brokers": ["localhost:9092"], "groupId": "profession", "topics": ["database.insert"]}


REFUSALS: list[tuple[Any, Any, str | None]] = [
    ({}, ["users", {"collection": "users", "operations": ["drop"]}], None),
    ({"topics": []}, [], "must not be empty"),
    ({"topics": ["a b"]}, [], 'there can be no topic "a b"'),
    ({"topics": ["profession.dead-letter"]}, [], "own dead letters"),
    ({"topics": ["profession_dead-letter"]}, [], "Kafka takes it for profession_dead-letter"),
    ({"groupId": "urn:team"}, [], "Set the option deadLetterTopic"),
    ({"groupId": "urn:team", "options": {"deadLetterTopic": "team"}}, [], None),
    ({"options": {"attempts": None, "hangAfterMs": None}}, [], None),
    ({"options": {"atempts": 3}}, [], "there is no option atempts"),
    ({"options": {"attempts": 0}}, [], "attempts must be a number, at least 1, not 0"),
    ({"options": {"backoffMs": None}}, [], "backoffMs must be a number"),
    ({"options": {"hangAfterMs": 1e12}}, [], "hangAfterMs must be at most 2147483647, not 1000000000000; null is never"),
    ({"options": {"longestBackoffMs": 2**31}}, [], "longestBackoffMs must be at most 2147483647"),
    ({"options": {"bufferBytes": 2**33, "hangAfterMs": 2**31 - 1}}, [], None),
    (
        {"options": {"topicTemplate": "{db}.{collection}"}},
        [],
        'topicTemplate: "{db}.{collection}" may hold {database}, {collection}',
    ),
    ({"options": {"topicTemplate": "{database}.{database}_{collection}"}}, [], None),
    ({"kafka": {"ssl": True}}, [], None),
    ({"kafka": {"security.protocol": "SASL_SSL"}}, [], "security.protocol in the argument kafka"),
    ({"options": {"onError": "ignore"}}, [], "onError must be one of dead-letter, stop"),
    ({}, ["users", "users"], "users already has a handler for delete, insert, replace, update"),
    ({}, [{"collection": "users", "operations": ["insrt"]}], 'did you mean "insert"?'),
    ({}, [{"collection": "users", "operations": ["gap"]}], 'register it for "*"'),
    ({}, [""], 'no collection can match ""'),
    ({}, [{"collection": "users", "operation": "delete"}], 'a handler has no "operation"'),
    ({}, [{"collection": "users", "size": 5}], "there are collection, operations, database, concurrency"),
]
"""Arguments of a consumer and what its handlers are for, with a part of the refusal."""


def test_consumers_that_cannot_be(package: Path) -> None:
    calls = [{"config": SOUND | config, "selections": selections} for config, selections, _ in REFUSALS]
    found = in_node(package, "refusal", calls)
    for (config, selections, text), refusal in zip(REFUSALS, found, strict=True):
        assert refusal is None if text is None else text in refusal, (config, selections, refusal)


def test_after_the_first_signal_each_has_its_usual_effect(package: Path) -> None:
    nowhere = SOUND | {"brokers": ["127.0.0.1:1"]}
    found = in_node(package, "signals", [{"config": nowhere, "first": signal} for signal in ("SIGTERM", "SIGINT")])
    assert found == [{"before": [1, 1], "after": [0, 0]}] * 2


def test_arguments_from_the_environment(package: Path) -> None:
    group = {"KAFKA_GROUP_ID": "profession"}
    topics = {"KAFKA_TOPIC_INSERT": "a", "KAFKA_DB_CHANGES_TOPIC": "^b{2}.*", "KAFKA_TOPIC_CONTROL": ""}
    wrong = [{}, group | {"KAFKA": "[]"}, group | {"KAFKA_TOPIC_INSERT": "^{database}"}]
    usual, chosen, *texts = in_node(
        package, "environment", [group, group | topics | {"KAFKA_BROKERS": "x:1, y:2", "KAFKA": '{"ssl": true}'}, *wrong]
    )
    rows = ["database.insert", "database.update", "database.delete", "database.control"]
    assert usual == {"brokers": ["localhost:9092"], "groupId": "profession", "topics": rows, "kafka": {}}
    assert (chosen["topics"], chosen["brokers"], chosen["kafka"]) == (["a", "/^b{2}.*/", rows[3]], ["x:1", "y:2"], {"ssl": True})
    told = ["KAFKA_GROUP_ID is not set", "KAFKA must be a JSON object", 'cannot subscribe to "^{database}"']
    assert [part in text for part, text in zip(told, texts, strict=True)] == [True] * 3


def test_only_a_handler_at_work_is_watched(package: Path) -> None:
    """The wait for the next attempt may be longer than a handler may take."""
    fails, hangs = in_node(
        package,
        "attempts",
        [
            {"failures": 1, "milliseconds": 0, "options": {"hangAfterMs": 100, "backoffMs": 400}},
            {"failures": 0, "milliseconds": 400, "options": {"hangAfterMs": 100}},
        ],
    )
    assert fails == {"calls": 2, "told": []}
    assert (hangs["calls"], len(hangs["told"])) == (1, 1)
    assert "has not returned for 0.1 s" in hangs["told"][0]


@pytest.mark.parametrize("size", [0, 2])
def test_a_new_count_that_begins_with_control_messages_is_no_repetition(package: Path, size: int) -> None:
    first, second = ({"operationType": "snapshotStarted", "sequence": 1, "snapshot": name} for name in ("snap-1", "snap-2"))
    gap = {"operationType": "gap", "sequence": 2}
    later = gap | {"timestamp": "2024-01-01T13:00:00.000Z"}
    [found] = in_node(package, "dispatch", [{"batchSize": size, "messages": [first, second, gap, later, later]}])
    assert [each for call in found["got"] for each in call] == ["snapshotStarted 1", "snapshotStarted 1", "gap 2", "gap 2"]
    assert found["repeated"] == 1


def test_a_gap_comes_after_what_its_own_handler_has_collected(package: Path) -> None:
    insert = {"operationType": "insert", "collection": "users", "documentKey": {"_id": 1}}
    messages = [insert | {"sequence": 1, "eventId": "e1"}, insert | {"sequence": 2, "eventId": "e2", "missing": "offsets are gone"}]
    [found] = in_node(package, "dispatch", [{"batchSize": 10, "messages": messages}])
    assert found["got"] == [["insert 1"], ["gap 2"]]


def test_a_dead_letter_is_what_it_was(package: Path) -> None:
    """By its own headers, and where it comes from by those of the first dead letter."""
    told = {"watcher.name": "w", "watcher.sequence": "7", "watcher.eventId": "e7", "watcher.operation": "delete"}
    key = base64.b64encode(b'"k"').decode()
    [found] = in_node(package, "deadLetter", [{"topic": "shop.users", "key": key, "value": None, "headers": told}])
    message = found["message"]
    assert (message["operationType"], message["database"], message["collection"]) == ("delete", "shop", "users")
    assert message["timestamp"] == "2024-01-01T12:00:00.000Z"
    place = {"topic": "shop.users", "partition": "2", "offset": "5", "timestamp": "1704110400000"}
    happened = {"reason": "why", **place, "group": "repair"}
    assert (found["topic"], found["headers"]) == ("repair.dead-letter", told | happened)


def test_a_stop_is_heard_between_the_changes_of_a_batch_that_failed(package: Path) -> None:
    messages = [{"operationType": "insert", "collection": "c", "sequence": number, "eventId": f"e{number}"} for number in (1, 2, 3)]
    calls = [
        {"batchSize": 3, "messages": messages, "failing": True},
        {"batchSize": 3, "messages": messages, "failing": True, "stopAfter": 2},
    ]
    found = [each["got"] for each in in_node(package, "dispatch", calls)]
    assert found == [[["insert 1"], ["insert 2"], ["insert 3"]], [["insert 1"], ["insert 2"]]]


def test_lz4_frames(package: Path) -> None:
    raw = [(base64.b64decode(frame), content) for frame, content in FRAMES]
    raw.append((b"".join(frame for frame, _ in raw), b"".join(content for _, content in raw)))
    found = in_node(package, "lz4", [base64.b64encode(frame).decode() for frame, _ in raw])
    assert [base64.b64decode(each) for each in found] == [content for _, content in raw]


def test_partitions_of_one_number_go_to_one_member(package: Path) -> None:
    members = {"b": ["insert", "update"], "a": ["insert", "update"], "c": ["update"]}
    [shares] = in_node(package, "range", [{"members": members, "counts": {"insert": 3, "update": 4}}])
    assert shares == {"a": {"insert": [0, 1], "update": [0, 1]}, "b": {"insert": [2], "update": [2]}, "c": {"update": [3]}}


def limit(topic: str, one: dict[str, Any]) -> int:
    return ROOM if topic == CONTROL_TOPIC else int(one["limit"])


def record(topic: str, key: bytes | None, value: bytes | None, headers: Any, time_ms: int) -> Record:
    return Record(topic=topic, partition=0, offset=0, key=key, value=value, headers=list(headers or ()), timestamp=(1, time_ms))


def as_arguments(each: Record) -> dict[str, Any]:
    """The record for the function `decode`."""

    def text(data: bytes | None) -> str | None:
        return None if data is None else base64.b64encode(data).decode()

    headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in each.headers() or ()}
    known = {"topic": each.topic(), "headers": headers, "timeMs": each.timestamp()[1]}
    return {"key": text(each.key()), "value": text(each.value()), **known, "template": TEMPLATE, "schemas": AVRO_SCHEMAS}


def as_change(message: dict[str, Any]) -> Change:
    return read(record("t", b"k", json.dumps(message).encode(), (), 0), PARTITIONS[0])


def _chosen(index: int, _: object) -> int:
    """Tell which of the handlers this is."""
    return index


def chosen_in_python(routes: list[dict[str, Any]], message: dict[str, Any]) -> int | str | None:
    chosen = Routes()
    try:
        for index, each in enumerate(routes):
            database = each.get("database", "*")
            check_selection(each["collection"], each["operations"], database)
            chosen.add(Route(partial(_chosen, index), each["collection"], tuple(each["operations"]), database))
    except ValueError:
        return "refused"
    route = chosen.find(as_change(message))
    return None if route is None else route.handler([])  # type: ignore[return-value]  # the index above


def random_reading(random: Random) -> list[list[Any]]:
    """The steps of reading what a watcher has written: to which partition, under which number, with which event.

    Numbers begin again, jump, and repeat; some messages have no event. Then the partitions are read at any speed.
    """
    logs: dict[Partition, list[tuple[int, str | None]]] = {each: [] for each in PARTITIONS}
    number = event = 0
    for _ in range(random.randrange(5, 60)):
        chance = random.random()
        if chance < 0.04:
            number = 0
        elif chance < 0.07:
            number = 1_000_000 * (number // 1_000_000 + 1)
        elif chance < 0.10:
            back = random.randrange(4)
            number, event = max(0, number - back), max(0, event - back)
        number, event = number + 1, event + 1
        logs[random.choice(PARTITIONS)].append((number, None if random.random() < 0.1 else f"{event:06}"))
    steps: list[list[Any]] = []
    read = dict.fromkeys(PARTITIONS, 0)
    while any(read[each] < len(logs[each]) for each in PARTITIONS) or len(steps) < 40:
        steps.append(["listen", random.choice([0, 250, 500, 2500])])
        for partition in random.sample(PARTITIONS, random.randrange(len(PARTITIONS) + 1)):
            for written in logs[partition][read[partition] :][: random.randrange(8)]:
                steps.append(["add", *partition, read[partition], *written])
                read[partition] += 1
            if random.random() < 0.3:
                steps.append(["passed", *partition, read[partition]])
        if random.random() < 0.5:
            ends = random.sample(PARTITIONS, random.randrange(1, len(PARTITIONS) + 1))
            steps.append(["end", [[*each, len(logs[each])] for each in ends]])
        steps += [["unclear"], ["ready"]]
    return steps


def in_python(steps: list[list[Any]]) -> dict[str, Any]:
    """Return the same as `order` in functions.mjs, by the Python library."""
    began: list[int] = []
    order = SequenceOrder(2.0, 1 << 20, began_again=lambda change: began.append(change.sequence))
    order.assign(PARTITIONS)
    gone: list[Any] = []
    now_s, round_number = 0.0, 0
    for step, *rest in steps:
        if step == "listen":
            now_s += rest[0] / 1000
            round_number = order.begin_round(now_s)
        elif step == "add":
            topic, number, offset, sequence, event = rest
            message = {"eventId": event}
            order.add(Change("insert", "d", None, "w", sequence, (topic, number), offset, message, Record()), 0)
        elif step == "end":
            order.answer(round_number, {(topic, number): end for topic, number, end in rest[0]})
        elif step == "passed":
            order.passed((rest[0], rest[1]), rest[2])
        elif step == "ready":
            gone.append([[each.topic, each.offset] for each in order.ready()])
        else:
            gone.append(sorted(f"{topic}-{number}" for topic, number in order.unclear()))
    return {"gone": gone, "began": began, "warned": int(order._lanes["w"].was_late)}
