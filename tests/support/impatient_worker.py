"""`watcher` that opens again at once after each outage, so that many can be seen: `python impatient_worker.py run NAME …`."""

from __future__ import annotations

from watcher.cli import main
from watcher.worker import worker

SCRIPT = __file__
PROGRAM = ("-P", SCRIPT)
"""For `WorkerProcess.program`: -P keeps the modules beside this one off the path."""

if __name__ == "__main__":
    worker.STEADY_SECONDS = 0.0  # each stream counts as a success, so that each wait is the shortest
    main()
