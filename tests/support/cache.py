"""Downloads of the tests, once for this checkout, in directories of `.cache`."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Callable
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache"


def obtain(home: Path, fill: Callable[[Path], None]) -> Path:
    """`home`, made and filled by `fill` if it is not there; what that raises leaves nothing behind."""
    home.parent.mkdir(parents=True, exist_ok=True)
    # Two runs at once download only once; the lock file stays, for removing it would let a third one in.
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            _make(home, fill)
    return home


def _make(home: Path, fill: Callable[[Path], None]) -> None:
    """Under another name first, so that half a download is never taken for a whole one."""
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        new = Path(scratch) / "home"
        new.mkdir()
        fill(new)
        new.rename(home)
