"""Names of the databases that a scope covers now."""

from __future__ import annotations

from watcher.config.mongodb.scope import Scope
from watcher.mongodb.client import CommandSession
from watcher.mongodb.errors import translated, understood


def databases_of(session: CommandSession, scope: Scope) -> list[str]:
    """Return the names of a scope's databases that exist; a single one is not looked for. Without the right listDatabases, MongoDB
    names those on which the user has rights.

    Errors: Outage, NotPermitted, UnsupportedServer.
    """
    if scope.single is not None:
        return [scope.single]
    with translated(), understood():
        reply = session.command("admin", {"listDatabases": 1, "nameOnly": True})
        return sorted(name for each in reply["databases"] if scope.has_database(name := each["name"]))
