"""A worker for the tests of the fleet: behaves as `<state-dir>/behaviour/<name>` says, and writes a status file.

Behaviours: `stream` (default), `open` (never gets further), `exit CODE` (with an error written down), `silent CODE` (without),
`drain SECONDS` (takes that long to stop), `hang SECONDS` (has written nothing for so long).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

HINT = "check the password"


def main() -> int:
    name, state_dir = sys.argv[1], Path(sys.argv[2])
    behaviour = state_dir / "behaviour" / name
    what, _, code = (behaviour.read_text() if behaviour.exists() else "stream").partition(" ")
    started = now()
    print(json.dumps({"ts": started, "level": "info", "event": f"{name} started as {os.getpid()}"}), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: stop(float(code) if what == "drain" else 0))
    if what == "exit":
        write(state_dir, name, started, "failed", {"at": started, "message": "wrong password", "hint": HINT, "exitCode": int(code)})
    if what in {"exit", "silent"}:
        return int(code)
    if what == "hang":
        write(state_dir, name, started, "streaming", age_seconds=float(code))
    while what == "hang":
        signal.pause()
    while True:
        write(state_dir, name, started, "opening" if what == "open" else "streaming")
        signal.sigtimedwait([], 0.2)


def stop(seconds: float) -> None:
    time.sleep(seconds)
    sys.exit(0)


def write(
    state_dir: Path, name: str, started: str, state: str, error: dict[str, object] | None = None, *, age_seconds: float = 0
) -> None:
    updated = now(age_seconds)
    report = {"pid": os.getpid(), "state": state, "startedAt": started, "updatedAt": updated, "lastError": error}
    part = state_dir / "run" / f".{name}.part"
    with contextlib.suppress(OSError):  # as workers do on a full disk
        part.write_text(json.dumps(report))
        part.replace(state_dir / "run" / f"{name}.json")


def now(less_seconds: float = 0) -> str:
    return (datetime.now(UTC) - timedelta(seconds=less_seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


if __name__ == "__main__":
    sys.exit(main())
