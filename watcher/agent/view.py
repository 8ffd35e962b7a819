"""What the agent knows of the fleet: conf.d as it is now, and the latest survey."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request

from watcher.config import Deployment, Loaded, Settings, load
from watcher.config.agent_settings import AgentSettings
from watcher.fleet.control import Fleet
from watcher.fleet.status import Row
from watcher.fleet.survey import Survey, survey


class FleetView:
    """The latest look at the fleet. Read from any thread; only `refresh` changes it."""

    def __init__(self, fleet: Fleet, agent: AgentSettings) -> None:
        self.fleet = fleet
        self.agent = agent
        self.refresh()

    @property
    def deployment(self) -> Deployment:
        """Where `conf.d/`, `run/` and `log/` are."""
        return self.fleet.deployment

    @property
    def settings(self) -> Mapping[str, Settings]:
        """The settings of the watchers whose configuration has no fault."""
        return self.loaded.watchers

    def row(self, name: str) -> Row | None:
        """One watcher in the latest survey; None if there is none of this name."""
        return next((row for row in self.survey.rows if row.name == name), None)

    def refresh(self) -> None:
        """Look again. Raises FleetError."""
        self.loaded: Loaded = load(self.deployment.conf_dir)
        self.survey: Survey = survey(self.fleet, self.loaded.names)


def view_of(request: Request) -> FleetView:
    """The fleet that a request is about."""
    view = request.app.state.view
    assert isinstance(view, FleetView)  # noqa: S101
    return view
