"""Errors of the sandbox's servers."""

from __future__ import annotations

from watcher.errors import WatcherError


class SandboxError(WatcherError):
    """A sandbox server is missing, did not start, or did not answer in time."""
