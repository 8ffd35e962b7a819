"""Handling of credentials that are replaced while a worker runs, and so are refused for a while."""

from __future__ import annotations

import time
from collections.abc import Callable

from watcher.config import Settings, reread
from watcher.errors import CredentialsRefused, Outage

PATIENCE_SECONDS = 60.0
"""Longest time for which credentials may be refused without a break. Server and file do not change at the same moment, and
Kubernetes takes up to a minute to write a changed secret to its file."""

CODE = "credentials_refused"


class Credentials:
    """The current settings. Their secret files are read again while the credentials in them are refused."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self._clock = clock
        self._refused_since: float | None = None

    def accepted(self) -> None:
        """Note that both servers have accepted the credentials."""
        self._refused_since = None

    def refused(self, error: CredentialsRefused) -> Outage:
        """Read the files again; returns the refusal as an outage, after which the worker tries again.

        Errors: `error` itself if there is no file to read, or if PATIENCE_SECONDS have not helped.
        """
        now = self._clock()
        renewed = reread(self.settings) if self.settings.secret_files else self.settings
        if self._refused_since is None or renewed != self.settings:
            self._refused_since = now
        self.settings = renewed
        if not self.settings.secret_files or now - self._refused_since >= PATIENCE_SECONDS:
            raise error
        files = ", ".join(map(str, self.settings.secret_files.values()))
        hint = f"{error.hint} For {PATIENCE_SECONDS:.0f} s the worker reads {files} again."
        return Outage(str(error), hint=hint, component=error.component, code=CODE)
