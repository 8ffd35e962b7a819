"""`python bound.py PARENT COMMAND…` becomes COMMAND, which the kernel kills when the thread that started it ends.

This works on Linux only (`prctl(2)`, PR_SET_PDEATHSIG); elsewhere the program just becomes COMMAND. It is a program of its own
because code between fork and exec (`preexec_fn`) is not safe in a process with threads. It imports nothing from this package, so
that it starts in milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Ask the kernel for SIGKILL at the parent's death, then become `command`. A stopped process would not notice SIGTERM."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("the parent ended before the server was started")
    os.execv(command[0], command)  # noqa: S606  # the launcher becomes the server


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
