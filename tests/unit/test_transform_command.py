"""`watcherctl transform test` on a function that does not return."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.conf_files import Write, good
from watcher.transform.time_limit import TimedOut, time_limit

pytest_plugins = ["tests.support.conf_fixtures"]


def test_a_time_limit_holds_though_the_block_catches_everything() -> None:
    def endless() -> None:
        with contextlib.suppress(BaseException):  # as a bare `except` does
            threading.Event().wait()

    with pytest.raises(TimedOut, match=r"test_transform_command\.py:"), time_limit(0.05):
        endless()
    with time_limit(60):
        """Returns in time."""


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
