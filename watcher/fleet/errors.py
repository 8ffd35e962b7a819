"""Errors of the fleet itself, as opposed to those of its workers."""

from watcher.errors import NotPermitted, WatcherError


class FleetError(WatcherError):
    """The fleet cannot do what was asked."""


class NotRunning(FleetError):
    """No supervisord runs in this deployment."""

    def __init__(self) -> None:
        super().__init__("supervisord is not running here", hint="watcherctl start --all")


class NotReachable(FleetError, NotPermitted):
    """The fleet belongs to another user."""
