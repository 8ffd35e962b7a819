"""The user's own function on messages: what it may change, what becomes of its errors, and the examples."""

from __future__ import annotations

import contextlib
import importlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import bson
import orjson
import pytest
from confluent_kafka import KafkaError

from tests.support.conf_files import Write, faults, good
from tests.support.disk import filled, small_disk
from tests.support.plain_settings import settings
from tests.unit.change_events import EVENT_ID, change, encoder, recorded
from watcher.config import Deployment, load
from watcher.config.fault import Invalid
from watcher.config.transform import missing_function
from watcher.errors import ConfigurationError, UndeliverableEvent
from watcher.kafka.topics import _creation_error
from watcher.messages.encoder import MessageFormat
from watcher.operations import ROW_OPERATIONS
from watcher.transform.encoder import TransformingEncoder
from watcher.transform.function import FIXED, Transform, TransformFailed, purpose_of
from watcher.transform.guard import ID_BYTES, MOST_HUNG, RECORD_BYTES, HangGuard, last_hang
from watcher.transform.loading import load_function, module_digest
from watcher.transform.time_limit import TimedOut, time_limit
from watcher.worker.encoding import hang_of_last_process

pytest_plugins = ["tests.support.conf_fixtures"]

Message = dict[str, Any]
Function = Callable[[Message], Any]
EXAMPLES = Path(__file__).parents[2] / "examples" / "transforms"
TOPICS = {f"topic_{name}": f"database.{name}" for name in ("insert", "update", "delete", "control")}
MEGABYTE = 1_000_000


def transforming(function: Function, *, on_error: str = "fail", created: list[str] | None = None, **changes: Any) -> Any:
    """An encoder with the function; `created` takes the topics that it names."""

    def ensured(topic: str) -> str:
        if created is not None:
            created.append(topic)
        return topic

    made = MessageFormat(**{"watcher": "dashboard-watcher", "database": "dashboard", **TOPICS, **changes})
    return TransformingEncoder(
        made, Transform("m:f", function), on_error=on_error, topic_of=lambda topic, *_: topic, ensured=ensured
    )


def messages(encoder: Any, event: Message | bytes, limit: int = MEGABYTE, missing: tuple[str, ...] = ()) -> list[Any]:
    raw = event if isinstance(event, bytes) else bson.encode(event)
    return list(encoder.messages_for(raw, 7, lambda _topic: limit, missing))


@pytest.mark.parametrize(
    "headers", [{}, {"kafka_headers": True}, {"cloudevents": True}], ids=lambda given: "".join(given) or "none"
)
@pytest.mark.parametrize("envelope", ["generic", "document"])
@pytest.mark.parametrize("dialect", ["plain", "extended"])
@pytest.mark.parametrize("operation", recorded())
def test_a_function_that_changes_nothing_changes_no_byte(operation: str, dialect: Any, envelope: Any, headers: Any) -> None:
    event = recorded()[operation]
    form = {"json_format": dialect, "envelope": envelope, **headers}
    plain = encoder(**form).messages_for(event, 7, lambda _topic: MEGABYTE)
    assert messages(transforming(lambda message: message, **form), event) == plain


def test_a_changed_document_with_its_number_and_key() -> None:
    def function(message: Message) -> Message:
        assert "sequence" not in message
        message["fullDocument"]["region"] = "eu"
        message["documentKey"] = {"_id": "other"}
        return message

    [made] = messages(transforming(function), change("insert", fullDocument={"a": 1}))
    value = json.loads(made.value)
    assert value["fullDocument"] == {"a": 1, "region": "eu"}
    assert (value["sequence"], value["eventId"], made.topic) == (7, EVENT_ID, "database.insert")
    assert made.key == b'"other"'


def test_nothing_becomes_of_a_message() -> None:
    assert messages(transforming(lambda _message: None), change("insert", fullDocument={})) == []


@pytest.mark.parametrize("operation", ["insert", "update", "replace"])
def test_a_message_without_its_document_is_a_tombstone(operation: str) -> None:
    def function(message: Message) -> Message:
        message.pop("fullDocument", None)
        return message

    [made] = messages(transforming(function, envelope="document"), change(operation, fullDocument={"a": 1}))
    assert (made.value, made.operation, made.reason) == (None, operation, "")
    missing = change("update", updateDescription={"updatedFields": {}, "removedFields": []})
    [letter] = messages(transforming(function, envelope="document"), missing, missing=("fullDocument",))
    assert letter.reason == "too_large_for_mongodb"


def test_another_topic_is_created_and_used() -> None:
    created: list[str] = []
    encoder = transforming(lambda message: message | {"topic": "orders.eu"}, created=created)
    [made] = messages(encoder, change("insert", fullDocument={}))
    assert (made.topic, created) == ("orders.eu", ["orders.eu"])
    assert "topic" not in json.loads(made.value)


@pytest.mark.parametrize(
    ("form", "topic", "text"),
    [
        ({}, "w.position", "named the topic 'w.position', which is where the watcher keeps its position"),
        ({}, "w_position", "which is where the watcher keeps its position"),
        ({}, "control", ""),
        ({"envelope": "document"}, "control", "named the topic 'control', which is for control messages"),
        ({"envelope": "document"}, "shop.orders", ""),
    ],
)
def test_a_topic_that_serves_something_else_is_no_result(form: Message, topic: str, text: str) -> None:
    chosen = settings(kafka_client_id="w", kafka_topic_control="control", **form)
    transform = Transform("m:f", lambda message: message | {"topic": topic}, purpose_of=partial(purpose_of, chosen))
    message = dict.fromkeys(FIXED, "x") | {"operationType": "insert", "documentKey": {"_id": 1}}
    if text:
        with pytest.raises(TransformFailed, match=text):
            transform(message)
    else:
        assert transform(message) == message | {"topic": topic}


def refused_with(code: int) -> Any:
    """An encoder whose function names a topic that Kafka refuses to create, with this error."""

    def refusing(topic: str) -> str:
        raise _creation_error(topic, KafkaError(code, "refused"))

    made = MessageFormat(watcher="w", database="d", **TOPICS)
    transform = Transform("m:f", lambda message: message | {"topic": "a_b"})
    return TransformingEncoder(made, transform, on_error="dead-letter", topic_of=lambda topic, *_: topic, ensured=refusing)


def test_a_topic_whose_name_kafka_refuses_is_a_result_that_fails() -> None:
    [letter] = messages(refused_with(KafkaError.TOPIC_EXCEPTION), change("insert", fullDocument={}))
    assert letter.reason == "transform_failed"


@pytest.mark.parametrize("name", ["INVALID_REPLICATION_FACTOR", "INVALID_PARTITIONS", "INVALID_CONFIG", "POLICY_VIOLATION"])
def test_a_topic_that_the_settings_keep_from_being_made_ends_the_worker(name: str) -> None:
    """Every change for a new topic would be put aside otherwise."""
    with pytest.raises(ConfigurationError, match="refuses to create topic a_b"):
        messages(refused_with(getattr(KafkaError, name)), change("insert", fullDocument={}))


def test_another_operation_goes_to_its_own_topic() -> None:
    [made] = messages(transforming(lambda message: message | {"operationType": "delete"}), change("update", fullDocument={}))
    assert (made.topic, made.operation) == ("database.delete", "delete")


@pytest.mark.parametrize("operation", sorted(recorded().keys() - set(ROW_OPERATIONS)))
def test_control_messages_go_past_it(operation: str) -> None:
    [made] = messages(transforming(lambda _message: 1 / 0), recorded()[operation])
    assert json.loads(made.value)["operationType"] == operation


def broken(_message: Message) -> Message:
    raise ValueError("a secret of the document's")


BAD: dict[str, tuple[Function, str]] = {
    "raises": (broken, "raised ValueError at test_transform.py:"),
    "exits": (lambda _message: sys.exit(1), "raised SystemExit at"),
    "text": (lambda _message: "text", "returned str, and neither a message nor None"),
    "unknown field": (lambda message: message | {"tenant": 1}, "adds 'tenant' beside the message's own fields"),
    "sequence": (lambda message: message | {"sequence": 1}, "adds 'sequence'"),
    "control": (lambda message: message | {"operationType": "drop"}, "whose operationType is none of"),
    "no key": (lambda message: message | {"documentKey": {}}, "without the _id in documentKey"),
    "document": (lambda message: message | {"fullDocument": [1]}, "whose fullDocument is no object"),
    "topic": (lambda message: message | {"topic": "a b"}, "named a topic that Kafka does not take"),
    "template": (lambda message: message | {"topic": "{collection}"}, "named a topic that Kafka does not take"),
    "no topic": (lambda message: message | {"topic": None}, "named a topic that is no text"),
    "Kafka's": (lambda message: message | {"topic": "__consumer_offsets"}, "named one of Kafka's own topics"),
    "no JSON": (lambda message: message | {"fullDocument": {"a": {1, 2}}}, "returned what cannot be written as JSON"),
    "surrogate": (lambda message: message | {"fullDocument": {"a": "\ud800"}}, "returned what cannot be written as JSON"),
    **{name: (lambda message, name=name: message | {name: "?"}, f"changes {name}, which must stay") for name in FIXED},
}


@pytest.mark.parametrize(("function", "text"), BAD.values(), ids=BAD)
def test_what_fails_ends_the_worker_or_is_put_aside(function: Function, text: str) -> None:
    event = change("insert", fullDocument={"a": "a secret"})
    with pytest.raises(UndeliverableEvent, match="The transform m:f ") as caught:
        messages(transforming(function), event)
    assert text in str(caught.value)
    assert "secret" not in str(caught.value)
    [letter] = messages(transforming(function, on_error="dead-letter"), event)
    value = json.loads(letter.value)
    assert (letter.topic, letter.reason, value["sequence"]) == ("database.control", "transform_failed", 7)
    assert value["reason"] == "The transform failed."
    assert value["about"] == {"operationType": "insert", "eventId": EVENT_ID}
    assert "secret" not in letter.value.decode()


def test_what_is_too_large_afterwards_goes_without_its_document() -> None:
    def function(message: Message) -> Message:
        return message | {"fullDocument": {"a": "x" * 10_000}, "topic": "large"}

    event = change("insert", fullDocument={"secret": "hidden"})
    row, letter = messages(transforming(function), event, limit=5000)
    assert json.loads(row.value)["truncated"] == ["fullDocument"]
    assert row.topic == "large"
    assert json.loads(letter.value)["about"]["sequence"] == 7
    with pytest.raises(UndeliverableEvent, match="too large"):
        messages(transforming(function, on_large_event="fail"), event, limit=5000)


def test_what_mongodb_left_out_goes_through_it_too() -> None:
    row, letter = messages(transforming(lambda message: message | {"topic": "t"}), change("update"), missing=("fullDocument",))
    assert (row.topic, json.loads(row.value)["truncated"]) == ("t", ["fullDocument"])
    assert letter.reason == "too_large_for_mongodb"


def test_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "shape_it.py").write_text("class Shapes:\n    def keep(message): return message\nnone = 1\n")
    (tmp_path / "bad_shape.py").write_text("raise RuntimeError('no key')\n")
    assert load_function("shape_it:Shapes.keep", tmp_path)({"a": 1}) == {"a": 1}
    for reference, text in {
        "shape_it:missing": "has no missing",
        "shape_it:none": "is no function",
        "bad_shape:f": "cannot be imported: RuntimeError: no key",
        "no_such_shape:f": "cannot be imported: ModuleNotFoundError",
    }.items():
        with pytest.raises(ConfigurationError, match=text):
            load_function(reference, tmp_path)


def test_check_looks_for_the_module_and_executes_nothing(write: Write, tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text("def f(message): return message\nraise RuntimeError\n")
    conf_dir = write(a_toml=good("a") + 'transform = "loud:f"\n', b_toml=good("b") + 'transform = "absent:f"\n')
    [fault] = faults(load(conf_dir, ask_drivers=True))
    assert "b.toml:4 transform: names the module 'absent', which is not beside conf.d/" in fault
    for reference in ("f", "m:", ":f", "m:f()", "a b:c", "m.py:f:g"):
        with pytest.raises(Invalid, match="must be module:function"):
            settings(transform=reference)


HAVE_IT: dict[str, str] = {
    "defined": "def shape(message): return message",
    "assigned": "shape = len",
    "annotated": "shape: object = len",
    "imported": "from os.path import basename as shape",
    "module": "import shape.inner",
    "unpacked": "first, *shape = [len, len]",
    "in a branch": "try:\n    import fast\nexcept ImportError:\n    def shape(message): return message",
    "by global": "def make():\n    global shape\n    shape = len\nmake()",
    "by walrus": "print(shape := len)",
    "by star": "from os.path import *",
    "by getattr": "def __getattr__(name): return len",
    "by globals": "globals()['sha' + 'pe'] = len",
    "by setattr": "import sys\nsetattr(sys.modules[__name__], 'sha' + 'pe', len)",
    "by exec": "exec('sha' + 'pe = len')",
    "by pattern": "match len:\n    case shape: pass",
    "class": "class shape:\n    def __call__(self, message): return message",
    "coding": "# -*- coding: latin-1 -*-\n# \xe9\nshape = len",
}
"""Texts of modules that have `shape`."""


@pytest.mark.parametrize("text", HAVE_IT.values(), ids=HAVE_IT)
def test_check_finds_what_a_module_may_have(text: str, write: Write, tmp_path: Path) -> None:
    (tmp_path / "shapes_a.py").write_bytes(text.encode("latin-1"))
    conf_dir = write(a_toml=good("a") + 'transform = "shapes_a:shape"\n')
    assert faults(load(conf_dir, ask_drivers=True)) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("def shapes(message): return message", "transform: names 'shape', which shapes_b.py does not have"),
        ("", "names 'shape', which shapes_b.py does not have"),
        ("raise RuntimeError", "names 'shape', which shapes_b.py does not have"),
        ("x = 1\ndef shape(:", "names a function in shapes_b.py, which is no Python in line 2"),
        ("\0", "which is no Python"),
    ],
)
def test_check_finds_that_a_module_has_no_such_function(text: str, fault: str, write: Write, tmp_path: Path) -> None:
    (tmp_path / "shapes_b.py").write_text(text)
    conf_dir = write(a_toml=good("a") + 'transform = "shapes_b:shape.inner"\n')
    [found] = faults(load(conf_dir, ask_drivers=True))
    assert fault in found


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "text",
    [r"shape = '\d'", "def shape(message): return message\nx = " + "-" * 100_000 + "1"],
    ids=["warned of", "deep"],
)
def test_check_says_nothing_of_what_it_cannot_judge(text: str, tmp_path: Path) -> None:
    (tmp_path / "shapes_c.py").write_text(text)
    assert [*missing_function("shapes_c:shape", tmp_path)] == []


HANGS = """\
import re, sys, threading
from pathlib import Path
from watcher.transform.function import Transform
from watcher.transform.guard import HangGuard

def hang(message):
    if sys.argv[2] == "lock":
        threading.Event().wait()
    re.match(r"(a+)+$", "a" * 50 + "b")

message = dict.fromkeys(("operationType", "database", "collection", "timestamp", "watcher"), "x") | {"eventId": "8265"}
guard = HangGuard(Path(sys.argv[1]), 0.3, sys.argv[4].encode().ljust(32))
Transform("m:f", lambda message: None, guard)(message | {"eventId": "8264"})
print(*(guard.is_hung_at(event) for event in (b"8265", b"8264", b"8266")), flush=True)
if sys.argv[2] == "forget":
    guard.forget(b"8265")
elif sys.argv[2]:
    Transform("m:f", hang, guard)(message | {"eventId": sys.argv[3]})
"""


def run_guarded(path: Path, how: str, event_id: str = "8265", module: str = "m") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", HANGS, str(path), how, event_id, module]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_full_disk_takes_the_record_and_not_the_worker(tmp_path: Path) -> None:
    """The first write to a file of holes would end it by SIGBUS, at each start."""
    with small_disk(tmp_path / "disk") as disk:
        with filled(disk):
            done = run_guarded(disk / "w.transform", "")
        assert (done.returncode, done.stdout) == (0, "False False False\n")
        assert "no record of the transform's work" in done.stderr
        assert run_guarded(disk / "w.transform", "lock").returncode == -signal.SIGPROF
        assert run_guarded(disk / "w.transform", "").stdout == "True False False\n"


def test_a_corrected_function_is_called_again(tmp_path: Path) -> None:
    """Also where another host has put the event aside, so that this one's file still has it."""
    path = tmp_path / "w.transform"
    run_guarded(path, "lock")
    assert run_guarded(path, "").stdout == "True False False\n"
    assert run_guarded(path, "", module="corrected").stdout == "False False False\n"
    run_guarded(path, "lock", module="corrected")
    assert run_guarded(path, "", module="once more").stdout == "False False False\n"
    assert run_guarded(path, "", module="corrected").stdout == "False False False\n"


def test_the_digest_of_a_module_changes_with_its_text_and_that_of_its_helpers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    shape, helper = tmp_path / "digest_shape.py", tmp_path / "digest_helper.py"
    shape.write_text("import digest_helper\ndef f(message): return message\n")
    helper.write_text("")
    load_function("digest_shape:f", tmp_path)
    seen = [module_digest("digest_shape:f", tmp_path)]
    assert seen == [module_digest("digest_shape:f", tmp_path)]
    for file in (shape, helper):
        file.write_text(file.read_text() + "#")
        seen.append(module_digest("digest_shape:f", tmp_path))
    assert len({*seen}) == 3
    assert {len(digest) for digest in seen} == {32}


def test_a_hang_in_a_file_that_cannot_be_cleared_holds_nothing_up_for_ever(tmp_path: Path) -> None:
    deployment = Deployment.locate(tmp_path / "conf.d", tmp_path)
    path = deployment.transform_file("w")
    path.parent.mkdir(exist_ok=True)
    run_guarded(path, "lock")
    chosen = settings(name="w", transform="m:f")
    assert "8265" in hang_of_last_process(chosen, deployment)
    other = path.rename(tmp_path / "elsewhere")
    path.symlink_to(other)  # which the guard reads, and does not open to write
    assert last_hang(path)
    assert hang_of_last_process(chosen, deployment) == ""


class Calls(HangGuard):
    """A guard that remembers in memory, as if each call had hung before."""

    def __init__(self) -> None:
        self.seconds = 10
        self.begun: list[bytes] = []

    def begin(self, call: bytes) -> None:
        self.begun.append(call)

    def end(self) -> None:
        """Nothing to note."""

    def is_hung_at(self, call: bytes) -> bool:
        return False


def test_a_row_of_a_snapshot_is_known_by_its_document(tmp_path: Path) -> None:
    """Its number is another one's if a document before it was deleted since."""

    def call(number: int, key: object, **changes: str) -> str:
        guard = Calls()
        fixed = dict.fromkeys(FIXED, "x") | {"eventId": f"s.{number}", "snapshot": "s"} | changes
        Transform("m:f", lambda _message: None, guard)(fixed | {"documentKey": {"_id": key}})
        return guard.begun[0].decode()

    def recorded_as(call: str) -> str:
        path = tmp_path / "w.transform"
        path.unlink(missing_ok=True)
        run_guarded(path, "lock", call)
        left = last_hang(path)
        assert left
        return left.event_id + digests_of(path)

    def digests_of(path: Path) -> str:
        run_guarded(path, "")
        return path.read_bytes()[ID_BYTES:].hex()

    first = call(7, 1)
    assert recorded_as(first).startswith("s.7")
    assert recorded_as(first)[3:] == recorded_as(call(6, 1))[3:]
    others = (call(7, 2), call(7, 1, collection="y"), call(7, 1, snapshot="t"))
    assert recorded_as(first)[3:] not in [recorded_as(other)[3:] for other in others]


def test_a_time_limit_holds_though_the_block_catches_everything() -> None:
    def endless() -> None:
        with contextlib.suppress(BaseException):  # as a bare `except` does
            threading.Event().wait()

    with pytest.raises(TimedOut, match=r"test_transform\.py:"), time_limit(0.05):
        endless()
    with time_limit(60):
        """Returns in time."""


@pytest.mark.parametrize("where", ["lock", "regular expression"])
def test_a_hang_ends_the_process_and_the_next_one_knows(where: str, tmp_path: Path) -> None:
    path = tmp_path / "w.transform"
    first = run_guarded(path, where)
    assert (first.returncode, first.stdout) == (-signal.SIGPROF, "False False False\n")
    left = last_hang(path)
    assert left
    assert left.event_id == "8265"
    assert "in hang" in left.traceback
    again = run_guarded(path, "")
    assert (again.returncode, again.stdout) == (0, "True False False\n")
    assert last_hang(path) is None
    assert run_guarded(path, "forget").stdout == "True False False\n"
    assert run_guarded(path, "").stdout == "False False False\n"


def test_all_events_on_which_it_hung_are_known_until_they_are_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "w.transform"
    run_guarded(path, "lock")
    second = run_guarded(path, "lock", "8266")
    assert (second.returncode, second.stdout) == (-signal.SIGPROF, "True False False\n")
    assert run_guarded(path, "forget").stdout == "True False True\n"
    assert run_guarded(path, "").stdout == "False False True\n"


def test_a_process_that_is_killed_before_it_has_cleared_the_file_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w.transform"
    run_guarded(path, "lock")
    whole = path.read_bytes()
    run_guarded(path, "")
    noted = path.read_bytes()
    path.write_bytes(b"8265\0".ljust(ID_BYTES, b"\0") + noted[ID_BYTES:] + whole[RECORD_BYTES:])  # noted, not cleared
    assert run_guarded(path, "").stdout == "True False False\n"
    assert path.read_bytes() == noted


@pytest.mark.parametrize("size", [0, 3, ID_BYTES, ID_BYTES + 40, RECORD_BYTES - 1])
def test_a_torn_file_costs_no_more_than_what_it_told(size: int, tmp_path: Path) -> None:
    path = tmp_path / "w.transform"
    run_guarded(path, "lock")
    path.write_bytes(path.read_bytes()[:size])
    assert run_guarded(path, "").returncode == 0
    assert path.stat().st_size == RECORD_BYTES
    assert run_guarded(path, "lock").returncode == -signal.SIGPROF
    assert run_guarded(path, "").stdout == "True False False\n"


def test_the_file_of_version_0_2_tells_its_hang(tmp_path: Path) -> None:
    path = tmp_path / "w.transform"
    path.write_bytes(b"8265".ljust(ID_BYTES, b"\0") + b"Current thread 0x1 (most recent call first):\n" * 400)
    assert run_guarded(path, "").stdout == "True False False\n"
    assert run_guarded(path, "").stdout == "True False False\n"
    assert path.stat().st_size == RECORD_BYTES


def test_too_many_events_take_the_place_of_others(tmp_path: Path) -> None:
    path = tmp_path / "w.transform"
    run_guarded(path, "lock")
    left = path.read_bytes()
    digests = b"".join(sha256(b"%d" % number).digest() for number in range(MOST_HUNG))
    path.write_bytes(left[: RECORD_BYTES - len(digests)] + digests + left[RECORD_BYTES:])
    assert run_guarded(path, "").stdout == "True False False\n"
    assert run_guarded(path, "").stdout == "True False False\n"


def test_a_process_that_is_killed_at_work_was_not_hung(tmp_path: Path) -> None:
    path = tmp_path / "w.transform"
    path.write_bytes(b"8265".ljust(ID_BYTES, b"\0"))
    assert run_guarded(path, "").stdout == "False False False\n"
    assert path.stat().st_size == RECORD_BYTES


def test_without_a_place_for_its_file_a_hang_still_ends_the_process(tmp_path: Path) -> None:
    assert run_guarded(tmp_path / "no" / "w.transform", "lock").returncode == -signal.SIGPROF


def test_the_event_on_which_the_last_process_hung_fails() -> None:
    class Hung(HangGuard):
        def __init__(self) -> None:
            self.seconds = 10

        def is_hung_at(self, event_id: bytes) -> bool:
            return event_id == b"8265"

    with pytest.raises(TransformFailed, match="did not return within 10 s"):
        Transform("m:f", lambda message: message, Hung())({"eventId": "8265"})


def example(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv("PSEUDONYM_KEY", "k" * 32)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)


def test_the_example_that_pseudonymises(monkeypatch: pytest.MonkeyPatch) -> None:
    module = example("pseudonymise", monkeypatch)
    documents = {"email": "a@b.c", "n": 1, "contacts": [{"phone": "1"}, {"phone": ["2"]}, {}]}
    updated = {"email": "x@y.z", "contacts.0.phone": "3", "contacts": [{"phone": "4"}], "n": 2, "contacts.1": {"phone": "5"}}
    event = change("update", fullDocument=documents, updateDescription={"updatedFields": updated, "removedFields": []})
    [made] = messages(transforming(module.pseudonymise), event)
    text, value = made.value.decode(), json.loads(made.value)
    assert value["fullDocument"]["email"] == module.hashed("a@b.c")
    assert value["fullDocument"]["n"] == 1
    assert [orjson.dumps(personal).decode() in text for personal in ("a@b.c", "x@y.z", "1", "2", "3", "4", "5")] == [False] * 7
    assert value["updateDescription"]["updatedFields"]["contacts.0.phone"] == module.hashed("3")
    monkeypatch.setenv("PSEUDONYM_KEY", "short")
    monkeypatch.delitem(sys.modules, "pseudonymise")
    with pytest.raises(ConfigurationError, match="at least 32 characters"):
        load_function("pseudonymise:pseudonymise", EXAMPLES)


def test_the_example_that_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    function = example("route", monkeypatch).by_region
    orders = {"ns": {"db": "shop", "coll": "orders"}}
    [eu] = messages(transforming(function), change("insert", fullDocument={"region": "eu"}, **orders))
    [gone] = messages(transforming(function), change("delete", fullDocumentBeforeChange={"region": "us"}, **orders))
    [other] = messages(transforming(function), change("delete", **orders))
    assert [eu.topic, gone.topic, other.topic] == ["orders.eu", "orders.us", "database.delete"]
    assert messages(transforming(function), change("insert", fullDocument={"test": True}, **orders)) == []


def test_the_example_of_an_outbox(monkeypatch: pytest.MonkeyPatch) -> None:
    function = example("outbox", monkeypatch).event
    document = {"topic": "orders.placed", "key": "order-17", "payload": {"total": 3}}
    [made] = messages(transforming(function), change("insert", fullDocument=document, ns={"db": "shop", "coll": "outbox"}))
    assert (made.topic, made.key) == ("orders.placed", b'"order-17"')
    assert json.loads(made.value)["fullDocument"] == {"total": 3}


STUCK = """\
import sys
from types import SimpleNamespace
from watcher.cli import run_command_line
from watcher.consumer.reading import reader
from watcher.transform import time_limit

class Messages:
    def __init__(self, *_): pass
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def last(self, *_):
        names = ("database", "collection", "timestamp", "watcher")
        fixed = dict.fromkeys(names, "x") | {"operationType": "delete", "documentKey": {"_id": 1}}
        return [SimpleNamespace(message=fixed | {"eventId": f"e{number}", "sequence": number}) for number in (1, 2)]

reader.MessageReader = Messages
time_limit.LAST_RESORT = 1
sys.exit(run_command_line(["transform", "test", "a", "--json", "--config", sys.argv[1]]))
"""


@pytest.mark.parametrize(("second", "code"), [("return message", 0), ("stick()", 1)], ids=["returns", "sticks"])
def test_the_command_names_the_message_also_where_only_its_own_end_helps(
    second: str, code: int, write: Write, tmp_path: Path
) -> None:
    stick = "import signal\ndef stick():\n    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})\n    while True: pass\n"
    (tmp_path / "sticks.py").write_text(
        f"{stick}def f(message):\n    if message['eventId'] == 'e2': {second}\n    return message\n"
    )
    conf_dir = write(a_toml=good("a") + 'transform = "sticks:f"\ntransform_seconds = 1\n')
    done = subprocess.run([sys.executable, "-c", STUCK, str(conf_dir)], capture_output=True, text=True, timeout=60)
    first, last = done.stdout.splitlines()
    shown = json.loads(first)
    assert (done.returncode, [*shown], shown["after"]) == (code, ["sequence", "before", "after"], shown["before"])
    if code:
        assert last.startswith('{"sequence": 2, "before": {"database": "x"')
        assert "in stick" in done.stderr
    else:
        assert json.loads(last)["after"]["eventId"] == "e2"
