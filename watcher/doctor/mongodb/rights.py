"""Rights that a stream over several databases needs in MongoDB: which are missing, and how to grant them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from watcher.doctor.mongodb.server import Mongodb, grant, user_of
from watcher.mongodb.errors import translated

Privilege = Mapping[str, Any]
"""A resource, and the actions that are permitted on it, as MongoDB shows them."""

EVERYWHERE: Mapping[str, str] = {"db": "", "collection": ""}
ANYTHING, CLUSTER = {"anyResource": True}, {"cluster": True}

OF_THE_STREAM = ("find", "changeStream")
OF_THE_LIST = ("listCollections",)
ROLE = "watchAllDatabases"
NAMED = 3
"""Databases that are named in a sentence."""


def privileges_of(mongodb: Mongodb) -> list[Privilege]:
    """Return the privileges of the user who is logged in. Errors: as `translated`."""
    with translated():
        told = mongodb.client.admin.command({"connectionStatus": 1, "showPrivileges": True})
    return list(told["authInfo"]["authenticatedUserPrivileges"])


def missing_rights(privileges: Sequence[Privilege]) -> Iterator[str]:
    """Yield the rights that a stream over all databases lacks, in words. Pure."""
    for action in OF_THE_STREAM:
        if not _permits(privileges, action, EVERYWHERE):
            found = sorted({str(each["resource"]["db"]) for each in privileges if _is_of_one_database(each, action)})
            yield f"{action} on all databases is missing{_only_on(found)}"


def without_lists(privileges: Sequence[Privilege]) -> Iterator[str]:
    """Yield the rights without which a stream runs, but snapshots, `verify` and `doctor` do not see all there is. Pure."""
    if not _permits(privileges, "listDatabases", CLUSTER):
        yield "listDatabases on the cluster"
    if not _permits(privileges, "listCollections", EVERYWHERE):
        yield "listCollections on all databases"


def grant_all(mongodb: Mongodb) -> str:
    """Return the commands that grant the rights: MongoDB's own role, or one with no more than is needed."""
    user = user_of(mongodb)
    broad = grant(mongodb, "readAnyDatabase", "admin")
    if not user:
        return broad
    privileges = [
        {"resource": EVERYWHERE, "actions": [*OF_THE_STREAM, *OF_THE_LIST]},
        {"resource": CLUSTER, "actions": ["listDatabases"]},
    ]
    role = f'db.getSiblingDB("admin").createRole({{role: "{ROLE}", privileges: {json.dumps(privileges)}, roles: []}})'
    return f"{broad}\nor, with no right that is not needed:\nmongosh: {role}\n{grant(mongodb, ROLE, 'admin')}"


def _permits(privileges: Iterable[Privilege], action: str, resource: Mapping[str, Any]) -> bool:
    return any(each["resource"] in (resource, ANYTHING) and action in each["actions"] for each in privileges)


def _is_of_one_database(privilege: Privilege, action: str) -> bool:
    resource = privilege["resource"]
    return bool(resource.get("db")) and resource.get("collection") == "" and action in privilege["actions"]


def _only_on(databases: Sequence[str]) -> str:
    if not databases:
        return ""
    return f"; it is granted only on {', '.join(databases[:NAMED])}{' …' if len(databases) > NAMED else ''}"
