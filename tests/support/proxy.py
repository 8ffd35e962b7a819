"""A TCP proxy that hurts the connections through it: slow, narrow, silent, or cut."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

CHUNK = 16_384
TRAVELLING = 64
"""Chunks on their way at once, for memory's sake: 1 MiB."""

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Treatment of each chunk of bytes, in both directions."""

    latency_s: float = 0.0
    bytes_per_s: float = float("inf")
    swallow: bool = False
    reset_after_bytes: float = float("inf")


@dataclass(eq=False, slots=True)
class _Connection:
    """The two sockets of one client; `lossy` once bytes were swallowed, so that it can never be sound again."""

    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    lossy: bool = False

    def reset(self) -> None:
        """End both sides with RST, as a cut cable or a crashed peer does, and not with an orderly FIN."""
        for writer in self.writers:
            with suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            writer.transport.abort()


class TcpProxy:
    """Listens on 127.0.0.1:`port` and forwards to 127.0.0.1:`upstream_port`, on an event loop in a thread of its own."""

    def __init__(self, upstream_port: int, port: int | None = None) -> None:
        self.upstream_port = upstream_port
        self.port = port or 0
        self.bytes_passed = 0
        self.connections_accepted = 0
        self._behaviour = Behaviour()
        self._budget = float("inf")
        self._connections: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy")

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.port}"

    def behave(self, **behaviour: Any) -> None:
        """From now on treat bytes as `Behaviour(**behaviour)` says; without arguments, pass them on."""
        self._call(lambda: self._set(Behaviour(**behaviour)))

    def heal(self) -> None:
        """Pass bytes on again. Connections that have lost some are reset: they could never be sound again."""
        self.behave()

    def cut(self) -> None:
        """Reset all connections; new ones are accepted."""
        self._call(self._reset_all)

    def refuse(self) -> None:
        """Reset all connections and refuse new ones, until `accept`."""
        self._run(self._close())

    def accept(self) -> None:
        """Listen, again."""
        self._run(self._listen())

    def __enter__(self) -> Self:
        self._thread.start()
        self.accept()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._run(self._shut_down())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=10)

    def _call(self, function: Callable[[], None]) -> None:
        """Call `function` on the loop's thread, the only one that touches the connections."""
        done: Future[None] = Future()

        def call() -> None:
            try:
                done.set_result(function())
            except BaseException as error:  # noqa: BLE001 - handed over to the caller's thread
                done.set_exception(error)

        self._loop.call_soon_threadsafe(call)
        done.result(timeout=10)

    def _set(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._budget = behaviour.reset_after_bytes
        for connection in [c for c in self._connections if c.lossy and not behaviour.swallow]:
            connection.reset()

    def _reset_all(self) -> None:
        for connection in list(self._connections):
            connection.reset()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._reset_all()

    async def _shut_down(self) -> None:
        await self._close()
        serving = asyncio.all_tasks() - {asyncio.current_task()}
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections_accepted += 1
        connection = _Connection([writer])
        self._connections.add(connection)
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.upstream_port)
            connection.writers.append(upstream_writer)
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(connection, reader, upstream_writer))
                pumps.create_task(self._pump(connection, upstream_reader, writer))
        except* OSError:
            pass
        finally:
            self._connections.discard(connection)
            connection.reset()

    async def _pump(self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A chunk takes time to enter the link, and then travels while others enter: latency does not narrow it."""
        travelling: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(TRAVELLING)
        async with asyncio.TaskGroup() as ends:
            ends.create_task(self._take_in(connection, reader, travelling))
            ends.create_task(self._let_out(connection, travelling, writer))

    async def _take_in(
        self, connection: _Connection, reader: asyncio.StreamReader, link: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        while chunk := await reader.read(CHUNK):
            behaviour = self._behaviour
            if behaviour.swallow:
                connection.lossy = True
                continue
            await asyncio.sleep(len(chunk) / behaviour.bytes_per_s)
            await link.put((self._loop.time() + behaviour.latency_s, chunk))
        await link.put((0.0, b""))

    async def _let_out(
        self, connection: _Connection, link: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        while True:
            due, chunk = await link.get()
            if not chunk:
                break
            await asyncio.sleep(due - self._loop.time())
            passed = chunk[: int(min(len(chunk), self._budget))]
            writer.write(passed)
            await writer.drain()
            self.bytes_passed += len(passed)
            self._budget -= len(passed)
            if self._budget <= 0:
                connection.reset()
        if not connection.lossy:
            writer.write_eof()
