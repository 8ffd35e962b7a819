"""The databases of a scope that exist."""

from __future__ import annotations

from watcher.config.mongodb.scope import Scope
from watcher.mongodb.client import CommandSession
from watcher.mongodb.errors import translated, understood


def database_names(session: CommandSession, scope: Scope) -> list[str]:
    """Return the databases of the scope that exist and whose names may be seen, by name. Errors: as `translated`."""
    with translated(), understood():
        reply = session.command("admin", {"listDatabases": 1, "nameOnly": True})
        names = [str(each["name"]) for each in reply["databases"]]
    return sorted(name for name in names if scope.has_database(name))
