"""The agent's address, published in `run/agent.json` for `watcherctl console`, since the port may be any free one."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from watcher.fleet.agent_state import Address, read_address
from watcher.fleet.files import write_if_changed
from watcher.pids import birth_of
from watcher.private import make_directory, readable_mode

_ANY = {"0.0.0.0", "::"}  # noqa: S104  # compared with, not bound to


logger = logging.getLogger("watcher")


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket. Port 0 means any free port. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the previous agent's connections may still be closing
        listening.bind(address)
        listening.listen()
    except OSError:
        listening.close()
        raise
    return listening


def url_of(host: str, listening: socket.socket) -> str:
    """The agent's URL, for use on this host."""
    name = "localhost" if host in _ANY else f"[{host}]" if ":" in host else host
    return f"http://{name}:{listening.getsockname()[1]}/"


@contextlib.contextmanager
def published(path: Path, url: str) -> Iterator[None]:
    """Publish the address of this process in a file for the duration of the block."""
    try:
        make_directory(path.parent)
        write_if_changed(
            path,
            Address(pid=os.getpid(), url=url, birth=birth_of(os.getpid())).model_dump_json() + "\n",
            readable_mode(path.parent),
        )
    except OSError as error:  # go on: the agent is needed most when the disk is full
        logger.warning("the file that says where the agent listens cannot be written: %s", error)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def find(path: Path) -> str | None:
    """The URL of the running agent, from the file that it writes; None if none listens."""
    address = read_address(path)
    return address.url if address else None
