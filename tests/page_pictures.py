"""The pictures of the page in the README: `make page-pictures`. Real servers, real workers, a load that rises and falls."""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from tests.support.chromium import chromium, find_chromium
from tests.support.real_fleet import RealFleet
from tests.support.waiting import eventually
from tests.support.worker import watcher_settings
from watcher.agent.address import find
from watcher.sandbox.process import free_port
from watcher.sandbox.sandbox import Sandbox
from watcher.sandbox.traffic import Traffic

IMAGES = Path(__file__).parents[1] / "docs" / "images"
LARGEST_BYTES = 150_000
MIDDLE_RATE = 90.0
SWING = 70.0
WAVE_SECONDS = 60.0

PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "page-light": ("/", {"color_scheme": "light", "viewport": {"width": 1120, "height": 470}}),
    "page-dark": ("/", {"color_scheme": "dark", "viewport": {"width": 1120, "height": 470}}),
    "page-watcher": ("/watchers/dashboard?span=5m", {"color_scheme": "light", "viewport": {"width": 1120, "height": 1010}}),
}


def main() -> int:
    """Run for `--seconds`, then take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0, help="how long the load runs before (default: 180)")
    seconds = parser.parse_args().seconds
    program = find_chromium()
    if program is None:
        print("needs Chromium: apt-get install chromium", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="pp-", dir="/tmp") as directory, Sandbox() as sandbox:
        agent = {"port": free_port(), "token": "only-for-the-pictures", "read_without_token": True}
        with (
            RealFleet(Path(directory), _settings(sandbox), agent=agent) as fleet,
            Traffic(sandbox.mongodb.uri("admin"), writes_per_second=MIDDLE_RATE) as traffic,
        ):
            _vary(traffic, seconds)
            with chromium(program) as browser:
                for name, (path, options) in PICTURES.items():
                    _take(browser, find(fleet.directory / "run" / "agent.json") or "", path, IMAGES / f"{name}.png", options)
    return 0


def _settings(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    """Two watchers of databases with a load, one of a quiet one, and one whose Kafka is away."""
    settings = {
        name: {**watcher_settings(sandbox.mongodb_uri(name), sandbox.kafka_brokers, name), "kafka_client_id": f"{name}-watcher"}
        for name in ("dashboard", "analytics", "archive", "billing")
    }
    settings["billing"]["kafka_brokers"] = f"127.0.0.1:{free_port()}"
    return settings


def _vary(traffic: Traffic, seconds: float) -> None:
    start = time.monotonic()
    while (passed := time.monotonic() - start) < seconds:
        traffic.writes_per_second = MIDDLE_RATE + SWING * math.sin(2 * math.pi * passed / WAVE_SECONDS)
        time.sleep(1)


def _take(browser: Browser, url: str, path: str, target: Path, options: dict[str, Any]) -> None:
    context = browser.new_context(base_url=url, **options)
    page = context.new_page()
    page.goto(path)
    eventually(lambda: page.locator("#connection").inner_text() == "live")
    if path != "/":
        eventually(lambda: page.locator("#charts canvas").count() == 6 and page.locator("#messages tbody tr").count() > 0)
    page.wait_for_timeout(1500)  # charts draw in the next frame, and times tick
    page.screenshot(path=target)
    context.close()
    size = target.stat().st_size
    print(f"{target.name}: {size} bytes")
    assert size < LARGEST_BYTES, f"{target.name} is too large"


if __name__ == "__main__":
    sys.exit(main())
