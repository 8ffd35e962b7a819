"""The thread that starts servers is there before a Ctrl-C may raise."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import threading
from pathlib import Path
from watcher.sandbox.kafka import NoidaBroker

before = threading.active_count()
NoidaBroker(Path("."))
print(before, threading.active_count())
"""


def test_a_servers_object_has_started_the_launchers_thread() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["1", "2"]
