"""The agent's page in a test: an application that shows whatever rows it is given, and what is on it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from tests.support.asgi import Answer, ask
from tests.support.status_reports import report_of
from watcher.agent.http.app import create_app
from watcher.agent.view.fleet_view import FleetView
from watcher.config import Deployment
from watcher.config.agent_settings import AgentSettings
from watcher.fleet.control import Fleet
from watcher.fleet.status import Row, WatcherState
from watcher.fleet.supervisord import Process
from watcher.fleet.survey import Survey
from watcher.status.report import StatusReport

NOW = datetime(2024, 1, 1, 12, tzinfo=UTC)


TOKEN = "a-token-of-the-tests"


EVIL = "<img src=x onerror=alert(1)>\"'&\x1b[31m\u202eevil"


PASSWORD = "hunter2"


CONF = f"""
mongodb_uri = "mongodb://user:{PASSWORD}@localhost:27017/shop"
kafka_brokers = "localhost:9092"
kafka_client_id = "CLIENT"
"""


def report(**changes: Any) -> StatusReport:
    return report_of(
        {"pid": 4711, "state": "streaming", "startedAt": NOW - timedelta(hours=1), "updatedAt": NOW, "database": "shop", **changes}
    )


def error(message: str, hint: str = "", age: timedelta = timedelta(minutes=2)) -> dict[str, Any]:
    return {"at": NOW - age, "message": message, "hint": hint, "component": "kafka", "exitCode": None}


def row(name: str, state: WatcherState, fault: str = "", **changes: Any) -> Row:
    return Row(name, state, state is not WatcherState.DISABLED, Process(name, "RUNNING", pid=4711), report(**changes), fault)


class Page:
    """A deployment of three watchers, and the application that shows whatever rows a test gives it."""

    def __init__(self, directory: Path, **agent: Any) -> None:
        self.deployment = Deployment(directory / "conf.d", directory / "run", directory / "log")
        for path in (self.deployment.conf_dir, self.deployment.run_dir, self.deployment.log_dir):
            path.mkdir(exist_ok=True)
        for name in ("shop", "crm", "billing"):
            (self.deployment.conf_dir / f"{name}.toml").write_text(CONF.replace("CLIENT", name))
        self.view = FleetView(Fleet(self.deployment), AgentSettings(**agent))
        self.app: Starlette = create_app(self.view)

    def show(self, *rows: Row, supervisord: int | None = 4700) -> None:
        self.view.survey = Survey(NOW, supervisord, rows)

    def get(self, path: str = "/", **headers: str) -> Answer:
        return ask(self.app, path, headers=headers)


class Elements(HTMLParser):
    """All elements of a document, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.all if name == tag]


def names_in_order(text: str) -> list[str]:
    return re.findall(r'data-name="(\w+)"', text)


def snapshot(**changes: Any) -> dict[str, Any]:
    course = {"documents": 12_345, "estimate": 20_000, "collectionDocuments": 12_345, "collectionEstimate": 20_000}
    return {"id": "snapshot-1", "state": "running", "collection": "users", "documentsPerSecond": 810.0, **course, **changes}


def collections(*states: str, **changes: Any) -> list[dict[str, Any]]:
    return [
        {"name": f"c{number}", "state": state, "documents": 50, "estimate": 200, **changes} for number, state in enumerate(states)
    ]


def buttons(page: Page) -> list[str]:
    """The commands about snapshots that the watcher's page offers."""
    shown = Elements(page.get("/watchers/shop").text).of("button")
    return [button["data-action"] for button in shown if button.get("data-action", "").startswith("snapshot/")]
