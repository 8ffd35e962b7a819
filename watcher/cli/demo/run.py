"""The run of the demo: starts servers, fleet and application, shows them, and always stops them in the opposite order."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shlex import quote

from watcher.agent.address import find
from watcher.cli.demo.audience import Audience
from watcher.cli.demo.screen import screen
from watcher.cli.demo.servers import Steps, say, start_servers
from watcher.cli.deployment.init import starter_file
from watcher.cli.fleet.common import open_fleet
from watcher.cli.interruption import Interruption
from watcher.config import Deployment, Settings, load
from watcher.errors import WatcherError
from watcher.fleet.arrival import StartResult, arrivals
from watcher.fleet.control import Fleet
from watcher.fleet.polling import wait_for
from watcher.sandbox.sandbox import Sandbox
from watcher.sandbox.traffic import Traffic

WATCHERS = ("dashboard", "analytics")
DOCUMENTS = 25
"""Documents in each collection before the watchers start."""

START_SECONDS = 60.0
SNAPSHOT = 'snapshot_mode = "initial"  # copies the documents that are there already at the first start\n\n'

AGENT_SECONDS = 10.0
"""The time to wait for the agent's page. The demo goes on without it."""

SETTLE_SECONDS = 5.0
"""The time that the last changes get to come back from Kafka."""


@contextmanager
def directory_of_demo(*, keep: bool) -> Iterator[Path]:
    """Make a temporary directory for the duration of the block. With `keep` it is not removed."""
    directory = Path(tempfile.mkdtemp(prefix="watcher-demo-"))
    try:
        yield directory
    finally:
        if keep:
            say(f"Kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


class Demo:
    """One run of the demo. Raises WatcherError if something does not start; even then nothing is left running."""

    def __init__(
        self, directory: Path, interruption: Interruption, *, writes_per_second: float, picture: Path | None = None
    ) -> None:
        self._directory = directory
        self._interruption = interruption
        self._picture = picture
        self._sandbox = Sandbox(directory)
        self._deployment = Deployment.locate(directory / "conf.d")
        self._traffic = Traffic(self._sandbox.mongodb_uri(""), writes_per_second=writes_per_second)
        self._documents = 0
        self._steps = Steps()

    def run(self, seconds: float) -> None:
        """Start everything, show it for `seconds` or until a signal arrives, and stop it."""
        with ExitStack() as running:
            running.callback(say, "Everything has been stopped.")
            with self._interruption.ends_block():
                self._interruption.check()
                audience = self._start(running)
            if self._interruption.arrived:
                say("Stopping ...")
            else:
                self._show(audience, seconds)
                say("Stopping ...")
                self._settle(audience)

    def _start(self, running: ExitStack) -> Audience:
        say(f"Everything lies in {self._directory}; Ctrl-C ends it.")
        start_servers(self._sandbox, running, self._steps)
        self._documents = self._traffic.fill(DOCUMENTS)
        self._steps.tell(f"{self._documents} documents, which the watchers copy first")
        write_conf_dir(self._deployment.conf_dir, self._sandbox)
        self._steps.tell("conf.d/dashboard.toml and conf.d/analytics.toml, with these addresses")
        settings = tuple(load(self._deployment.conf_dir).watchers.values())
        fleet = self._start_fleet(running, settings)
        audience = Audience(fleet, settings)
        running.callback(audience.close)
        self._steps.tell(f"an application that writes {self._traffic.writes_per_second:g} times a second")
        address_file = self._deployment.address_file
        wait_for(lambda: find(address_file) is not None, AGENT_SECONDS)
        say(how_to_look_around(self._deployment, find(address_file)))
        return audience

    def _start_fleet(self, running: ExitStack, watchers: tuple[Settings, ...]) -> Fleet:
        fleet = open_fleet(self._deployment)
        with self._interruption.held_back():  # while supervisord becomes a daemon it cannot be found and stopped
            running.callback(fleet.down)
            fleet.start(watchers)
        self._steps.tell("supervisord, and under it a worker for each watcher and the agent")
        for arrival in arrivals(fleet, [settings.name for settings in watchers], START_SECONDS, lambda _: None):
            if arrival.result is not StartResult.STREAMING:
                raise WatcherError(f"{arrival.name} does not stream: {arrival.message}", hint=arrival.hint)
            self._steps.tell(f"{arrival.name} streams")
        return fleet

    def _show(self, audience: Audience, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        # A signal only ends the loop: an exception in the middle of reading would lose messages.
        with ExitStack() as writing, screen() as show:
            writes = False
            while time.monotonic() < deadline and not self._interruption.arrived:
                show(audience.look())
                if audience.is_copied and not writes:  # a document that is deleted before it is copied would count as missing
                    writing.enter_context(self._traffic)
                    writes = True

    def _settle(self, audience: Audience) -> None:
        """Wait for the last messages, and report whether everything that was written has arrived."""
        written = sum(sum(counts.values()) for counts in self._traffic.written.values())
        expected = self._documents + written
        deadline = time.monotonic() + SETTLE_SECONDS
        while audience.changes < expected and time.monotonic() < deadline:
            audience.look()
        there = f"{self._documents:,} documents were there, {written:,} changes written"
        say(f"{there}, {audience.changes:,} messages delivered{_verdict(expected, audience)}.")
        if self._picture:
            self._picture.write_text(audience.picture(), encoding="utf-8")


def _verdict(expected: int, audience: Audience) -> str:
    return ": none missing, none twice, all in order" if audience.is_unbroken and audience.changes == expected else ""


def write_conf_dir(conf_dir: Path, sandbox: Sandbox) -> None:
    """Write the packaged conf.d, with the sandbox's addresses."""
    conf_dir.mkdir()
    (conf_dir / "agent.toml").write_text("port = 0  # any that is free: a fleet of yours may have the usual one\n")
    (conf_dir / "defaults.toml").write_text(SNAPSHOT + filled_in("defaults", {"kafka_brokers": sandbox.kafka_brokers}))
    for name in WATCHERS:
        (conf_dir / f"{name}.toml").write_text(filled_in(name, {"mongodb_uri": sandbox.mongodb_uri(name)}))


def filled_in(name: str, values: Mapping[str, str]) -> str:
    """The text of the packaged `conf.d/<name>.toml` with new values for some of the keys that it sets."""
    text = starter_file(f"conf.d/{name}.toml").read_text(encoding="utf-8")
    for key, value in values.items():
        text, count = re.subn(rf'^{key} = ".*"$', f"{key} = {json.dumps(value)}", text, flags=re.MULTILINE)
        if count != 1:
            raise RuntimeError(f"the packaged {name}.toml sets {key} {count} times")
    return text


def how_to_look_around(deployment: Deployment, page: str | None) -> str:
    """Instructions: commands for another terminal, and the address of the page if it is known."""
    watcherctl, place = program("watcherctl"), f"--config {quote(str(deployment.conf_dir))}"
    lines = (
        f"{watcherctl} status {place}",
        f"{watcherctl} tail dashboard --follow {place}",
        f"{program('supervisorctl')} -c {quote(str(deployment.supervisord_config))} status",
    )
    browser = ["\nTo look around, in a browser:", f"  {page}"] if page else []
    return "\n".join([*browser, "\nTo look around, from another terminal:", *(f"  {line}" for line in lines), ""])


def program(name: str) -> str:
    """The command for a program installed with this Python: its name if that is enough, else its path."""
    ours, on_path = Path(sys.executable).with_name(name), shutil.which(name)
    return name if on_path and ours.exists() and ours.samefile(on_path) else quote(str(ours))
