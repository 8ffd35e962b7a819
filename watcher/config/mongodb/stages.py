"""Checks of `pipeline`, the user's own aggregation stages for change events, as far as they can be made without MongoDB.

What change streams allow: https://www.mongodb.com/docs/manual/changeStreams/#modify-change-stream-output
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from watcher.config.fault import Refused, did_you_mean
from watcher.config.mongodb.queries import operators

Path = tuple[str, ...]

NEEDED = ("_id", "operationType", "ns", "documentKey", "clusterTime")
"""Fields of a change event without which there is no message, or no position."""

KEPT = ("wallTime", "to")
"""Fields that messages use where MongoDB gives them. A stage that names what stays keeps them too, unasked."""

DOCUMENT_ID = ("fullDocument", "_id")

OURS = ("$changeStream", "$changeStreamSplitLargeEvent")
REFUSED_IN_MATCH = ("$where", "$text", "$near", "$nearSphere")
"""Operators with which MongoDB lets nobody filter a change stream."""

ROOT = "$$ROOT"
_KEPT_HINT = 'for example {"$mergeObjects": ["$$ROOT", {"fullDocument": …}]}'


def name_of(stage: Mapping[str, Any]) -> str:
    """Return the stage's name, such as `$match`."""
    return next(iter(stage))


def check_stage(stage: object) -> None:
    """Raises `Refused` for a stage that change streams do not allow, or that may remove what a watcher needs."""
    if not isinstance(stage, Mapping) or len(stage) != 1 or not str(name_of(stage)).startswith("$"):
        raise Refused("must be an object with a single key, the stage's name", hint='for example {"$match": {…}}')
    name = name_of(stage)
    if name in OURS:
        raise Refused("the watcher adds this stage by itself", hint="leave it out")
    if name not in CHECKS:
        allowed = f"change streams allow {', '.join(CHECKS)}"
        raise Refused("is no stage that change streams allow", hint=did_you_mean(name, CHECKS) or allowed)
    CHECKS[name](stage[name])


def paths_of(fields: Mapping[str, Any], above: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield each field that `$set` or `$project` names, as a path, with what it becomes. Objects inside are paths too."""
    for name, value in fields.items():
        path = (*above, *name.split("."))
        if isinstance(value, Mapping) and value and not any(key.startswith("$") for key in value):
            yield from paths_of(value, path)
        else:
            yield path, value


def is_inclusion(fields: Mapping[str, Any]) -> bool:
    """Return True if a `$project` names what stays, and not what goes."""
    return any(path != ("_id",) and not _is_no(value) for path, value in paths_of(fields))


def _match(query: object) -> None:
    for operator in operators(_object(query)):
        if operator in REFUSED_IN_MATCH:
            raise Refused(f"has {operator}, which change streams do not allow", hint="$expr can say most things")


def _set(fields: object) -> None:
    for path, _ in paths_of(_object(fields)):
        _check_untouched(path, "changes")


def _unset(names: object) -> None:
    listed = [names] if isinstance(names, str) else names
    if not isinstance(listed, list) or not listed or not all(isinstance(name, str) for name in listed):
        raise Refused("must be the name of a field, or a list of names")
    for name in listed:
        _check_untouched(tuple(name.split(".")), "removes")


def _project(fields: object) -> None:
    named = dict(paths_of(_object(fields)))
    if not is_inclusion(_object(fields)):
        for path in named:
            _check_untouched(path, "removes")
        return
    if _is_no(named.get(("_id",), 1)):
        raise Refused("removes _id, which a watcher needs")
    lost = [name for name in NEEDED if name != "_id" and not _stays(named.get((name,), 0), name)]
    if lost:
        raise Refused(f"leaves out {', '.join(lost)}, which a watcher needs", hint="add each, with 1, or name what goes instead")
    for path, value in named.items():
        if not _stays(value, ".".join(path)):
            _check_untouched(path, "changes")


def _replace_root(body: object) -> None:
    _replace_with(_object(body).get("newRoot"))


def _replace_with(root: object) -> None:
    if not isinstance(root, Mapping):
        raise Refused("may lose what a watcher needs", hint=_KEPT_HINT)
    if list(root) == ["$mergeObjects"]:
        _check_merged(root["$mergeObjects"])
        return
    lost = [name for name in NEEDED if root.get(name) != f"${name}"]
    if lost:
        raise Refused(f"leaves out {', '.join(lost)}, which a watcher needs", hint=_KEPT_HINT)


def _check_merged(parts: object) -> None:
    """Check what a `$mergeObjects` puts over the event: only of objects that are written out is it known what they hold."""
    if not isinstance(parts, list) or not parts or parts[0] != ROOT:
        raise Refused("may lose what a watcher needs", hint=_KEPT_HINT)
    for part in parts[1:]:
        if not isinstance(part, Mapping) or any(name.startswith("$") for name in part):
            raise Refused(f"may put anything over what a watcher needs: {part}", hint=_KEPT_HINT)
        for name in part:
            _check_untouched((name,), "changes")


def _redact(expression: object) -> None:
    if not isinstance(expression, (Mapping, str)):
        raise Refused("must be an expression", hint='for example {"$cond": [{…}, "$$KEEP", "$$PRUNE"]}')


CHECKS: Mapping[str, Callable[[object], None]] = {
    "$match": _match,
    "$project": _project,
    "$set": _set,
    "$addFields": _set,
    "$unset": _unset,
    "$replaceRoot": _replace_root,
    "$replaceWith": _replace_with,
    "$redact": _redact,
}
"""The stages that change streams allow, and the check of each."""


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not value:
        raise Refused("must be an object that is not empty")
    return value


def _check_untouched(path: Path, verb: str) -> None:
    if path[0] in (*NEEDED, *KEPT):
        raise Refused(f"{verb} {'.'.join(path)}, which a watcher needs", hint="leave it as it is")
    if path == DOCUMENT_ID:
        raise Refused(f"{verb} fullDocument._id, by which consumers know a document", hint="leave it as it is")


def _stays(value: object, name: str) -> bool:
    """Return True if a projection leaves the field as it is."""
    return value == f"${name}" or (isinstance(value, (bool, int, float)) and not _is_no(value))


def _is_no(value: object) -> bool:
    return isinstance(value, (bool, int, float)) and not value
