"""The end of a process in which the user's function hangs, and what the next ones know of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.disk import filled, small_disk
from tests.support.plain_settings import settings
from watcher.config import Deployment
from watcher.transform.function import FIXED, Transform, TransformFailed
from watcher.transform.guard import ID_BYTES, MOST_HUNG, RECORD_BYTES, HangGuard, last_hang
from watcher.transform.loading import load_function, module_digest
from watcher.worker.encoding import hang_of_last_process

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
