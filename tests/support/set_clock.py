"""`watcher` whose clock a test sets: `python set_clock.py run …`, with $CLOCK_FILE naming a file that holds an offset in seconds.

Only Python's clock, for two reasons. libfaketime (0.9.10) does not know cnd_timedwait(3), by which librdkafka waits: it would wait
for hours, through libfaketime's fault and not the clock's. And a test may not set the clock of the machine it runs on.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

SCRIPT = __file__
PROGRAM = ("-P", SCRIPT)
"""For `WorkerProcess.program`: -P keeps the modules beside this one off the path."""

CLOCK_FILE = "CLOCK_FILE"


def main() -> None:
    """Take over the clock, and be `watcher`."""
    clock, true_time = Path(os.environ[CLOCK_FILE]), time.time
    time.time = lambda: true_time() + float(clock.read_text() or 0)

    from watcher.cli import main as watcher

    watcher()


if __name__ == "__main__":
    main()
