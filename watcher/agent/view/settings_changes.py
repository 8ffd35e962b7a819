"""The watchers whose settings are others than when they were started."""

from __future__ import annotations

from watcher.agent.files import Mark, mark
from watcher.config import Loaded
from watcher.fleet.control import Fleet
from watcher.fleet.errors import FleetError


class SettingsChanges:
    """Their names, which are worked out again only if conf.d has been loaded again, or a program has been written."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._of: tuple[Loaded, Mark | None] | None = None
        self._names: frozenset[str] = frozenset()

    def get(self, loaded: Loaded) -> frozenset[str]:
        """Return the names; those of last time while the programs cannot be read, as when a command is writing them."""
        programs = mark(self._fleet.deployment.programs_dir)
        if self._of is None or self._of[0] is not loaded or self._of[1] != programs:
            try:
                self._names = self._fleet.unapplied(loaded.watchers.values())
            except (OSError, FleetError):
                return self._names
            self._of = loaded, programs
        return self._names
