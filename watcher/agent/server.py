"""The agent's process: keeps its view of the fleet fresh, and answers on its port as soon as it can listen there."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import math
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvicorn

from watcher.agent.address import listen, published, url_of
from watcher.agent.http.app import create_app
from watcher.agent.http.connection import ACCEPTED_AT_ONCE, WAITING_CONNECTIONS, HttpConnection, sweep
from watcher.agent.view.fleet_view import FleetView
from watcher.agent.view.freshness import keep_fresh
from watcher.config.agent_settings import AgentSettings
from watcher.errors import NotPermitted
from watcher.fleet.control import Fleet

RETRY_SECONDS = 5.0
TELL_SECONDS = 60.0
_NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}  # see accept(2)

TICK_SECONDS = 2.0
"""The time between two looks at the connections, and at the clock for the date in answers."""

GOODBYE_SECONDS = 2
"""The time that pending answers get when the agent is stopped."""

logger = logging.getLogger("watcher")


def run_agent(fleet: Fleet, settings: AgentSettings) -> None:
    """Serve until SIGTERM or SIGINT. Raises NotPermitted for a port on which this user may not listen."""
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # a warning for each bad request would fill the log
    asyncio.run(_run(FleetView(fleet, settings)))


async def _run(view: FleetView) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(OutOfFiles())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await serve(view, stopping)


async def serve(view: FleetView, stopping: asyncio.Event) -> None:
    """Keep `view` fresh and show it until `stopping` is set. Raises NotPermitted."""
    loop = asyncio.get_running_loop()

    def announce() -> None:
        loop.call_soon_threadsafe(view.changes.announce)

    with ThreadPoolExecutor(1, "look") as thread:
        looking = loop.run_in_executor(thread, keep_fresh, view, announce)
        try:
            await _show(view, stopping)
        finally:
            view.changes.close()
            await looking


async def _show(view: FleetView, stopping: asyncio.Event) -> None:
    listening = await _listen(view.agent, stopping)
    if listening is None:
        return
    url = url_of(view.agent.host, listening)
    logger.info("listening", extra={"url": url, "readingNeedsToken": not view.agent.reading_is_open})
    with listening, published(view.deployment.address_file, url):
        await _answer(view, listening, stopping)


async def _listen(settings: AgentSettings, stopping: asyncio.Event) -> socket.socket | None:
    """Listen on the port, as soon as it is free. None if the agent is stopped before. A failure is logged once, not at each try."""
    said = False
    while not stopping.is_set():
        try:
            return listen(settings.host, settings.port)
        except PermissionError as error:
            raise NotPermitted(
                f"the agent may not listen on port {settings.port}", hint="set another port in conf.d/agent.toml, 1024 or above"
            ) from error
        except OSError as error:
            if not said:
                logger.error("cannot listen on %s port %s: %s", settings.host, settings.port, _why(error), extra=_advice(error))
            said = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), RETRY_SECONDS)
    return None


def _why(error: OSError) -> str:
    return "another program has it" if error.errno == errno.EADDRINUSE else error.strerror or str(error)


def _advice(error: OSError) -> dict[str, str]:
    what = "port" if error.errno == errno.EADDRINUSE else "host"
    return {"hint": f"set another {what} in conf.d/agent.toml, then watcherctl apply; the agent keeps trying"}


class OutOfFiles:
    """An exception handler for asyncio that keeps quiet when no connection can be accepted.

    asyncio itself logs a traceback for each attempt.
    """

    def __init__(self) -> None:
        self._told_at = -math.inf

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log a failed accept once a minute. Anything else is left to asyncio's own handler."""
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _NO_ROOM:
            loop.default_exception_handler(context)
        elif time.monotonic() - self._told_at >= TELL_SECONDS:
            self._told_at = time.monotonic()
            logger.error("no connection can be accepted: %s", error.strerror, extra={"hint": "raise LimitNOFILE, or ulimit -n"})


class HttpServer(uvicorn.Server):
    """A server without signal handlers: uvicorn's own would end the process by the signal instead of with exit code 0."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Let `serve` return, after the answers under way."""
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        """Wake every TICK_SECONDS until `end` is called. uvicorn would do so ten times a second: more work than all looks."""
        while not await self.on_tick(0):
            sweep(self.server_state.connections)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._ending.wait()

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        return contextlib.nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Let the kernel keep more connections than asyncio accepts at a time. asyncio uses one number, `backlog`, for both."""
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(WAITING_CONNECTIONS)


async def _answer(view: FleetView, listening: socket.socket, stopping: asyncio.Event) -> None:
    config = uvicorn.Config(
        create_app(view),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        loop="asyncio",
        http=HttpConnection,
        backlog=ACCEPTED_AT_ONCE,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GOODBYE_SECONDS,
    )
    server = HttpServer(config)
    answering = asyncio.create_task(server.serve([listening]))
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait({answering, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    view.changes.close()  # ends the event streams
    server.end()
    await answering
