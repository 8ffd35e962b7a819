"""The user's own stages, from `pipeline`, in the form in which they go into a change stream, or onto the documents of a snapshot.

They are for changes of documents. What else a stream sends, such as a drop, must reach the watcher whole, and a document that is
not there must not come to be. So some stages get a guard, and mean the same for changes of documents.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from bson import Timestamp, json_util
from pymongo.errors import OperationFailure

from watcher.config.mongodb.pipeline import stage_label
from watcher.config.mongodb.stages import KEPT, NEEDED, ROOT, is_inclusion, name_of, paths_of
from watcher.errors import ConfigurationError
from watcher.mongodb.errors import QueryRefused, translated
from watcher.operations import ROW_OPERATIONS

Stage = Mapping[str, Any]
Stages = Sequence[Stage]

OF_DOCUMENTS = [*ROW_OPERATIONS]
DOCUMENTS = ("fullDocument", "fullDocumentBeforeChange", "updateDescription")
ABSENCE = "absenceOf"
"""Beginning of the names of fields that remember whether a document was there. No change event has such fields."""

FAILED_HINT = (
    "Write the stage so that it cannot fail, for example with $convert and onError, or leave such changes out with a $match before "
    'it. on_transform_error = "dead-letter" puts them aside.'
)
STAGE_HINT = "Correct it in `pipeline`; docs/filtering.md shows what a stage can say."


@lru_cache(maxsize=16)
def user_stages(pipeline: tuple[str, ...]) -> Stages:
    """Make the stages of a change stream of the setting's texts. Errors: ConfigurationError."""
    return [made for number, text in enumerate(pipeline, 1) for made in _guarded(_parsed(number, text))]


def document_stages(pipeline: tuple[str, ...], database: str, collection: str, time: Timestamp) -> Stages:
    """Make the stages for the documents of a collection: each goes through the user's stages as the event of its insert at `time`.

    Those that pass come as they would in `fullDocument`, always with their `_id`.
    """
    event = {
        "_id": {"_data": ""},
        "operationType": "insert",
        "clusterTime": time,
        "wallTime": time.as_datetime(),
        "ns": {"db": {"$literal": database}, "coll": {"$literal": collection}},
        "documentKey": {"_id": "$_id"},
        "fullDocument": ROOT,
    }
    key = {"_id": "$documentKey._id"}
    return [{"$replaceWith": event}, *user_stages(pipeline), {"$replaceWith": {"$mergeObjects": [key, "$fullDocument", key]}}]


@contextlib.contextmanager
def refusals_named(pipeline: tuple[str, ...], attempt: Callable[[Stages], object]) -> Iterator[None]:
    """Find the stage that MongoDB refuses, if the opening of a stream fails and `attempt` does so too with that stage alone.

    Errors: ConfigurationError that names the stage; those of MongoDB's driver.
    """
    try:
        yield
    except OperationFailure as error:
        for number, text in enumerate(pipeline, 1):
            stage = _parsed(number, text)
            try:
                with translated(query=True):
                    attempt(_guarded(stage))
            except QueryRefused as refused:
                raise ConfigurationError(f"pipeline: {stage_label(number, stage)}: {refused}", hint=STAGE_HINT) from error
        raise


def _parsed(number: int, text: str) -> Stage:
    try:
        stage: Stage = json_util.loads(text)
    except Exception as error:  # json_util may raise anything
        raise ConfigurationError(f"pipeline: stage {number}: not MongoDB Extended JSON: {error}", hint=STAGE_HINT) from error
    return stage


def _guarded(stage: Stage) -> Stages:
    name = name_of(stage)
    guard = GUARDS.get(name)
    return guard(stage[name]) if guard else [stage]


def _match(query: Stage) -> Stages:
    return [{"$match": {"$or": [{"operationType": {"$nin": OF_DOCUMENTS}}, query]}}]


def _set(fields: Stage) -> Stages:
    """Set fields inside a document only where there is one: `$set` would make one, also in a delete."""
    inside = [name for name in DOCUMENTS if any(path[0] == name and len(path) > 1 for path, _ in paths_of(fields))]
    if not inside:
        return [{"$set": fields}]
    remembered = {ABSENCE + name: {"$type": f"${name}"} for name in inside}
    restored = {name: _as_before(name) for name in inside}
    return [{"$set": remembered}, {"$set": fields}, {"$set": restored}, {"$unset": [*remembered]}]


def _as_before(name: str) -> Stage:
    """Make the expression for a document that was missing, or null, before its fields were set."""
    was = f"${ABSENCE}{name}"
    branches = [{"case": {"$eq": [was, "missing"]}, "then": "$$REMOVE"}, {"case": {"$eq": [was, "null"]}, "then": None}]
    return {"$switch": {"branches": branches, "default": f"${name}"}}


def _project(fields: Stage) -> Stages:
    return [{"$project": {**fields, **dict.fromkeys(KEPT, 1)} if is_inclusion(fields) else fields}]


def _replace_root(body: Stage) -> Stages:
    return _replace_with(body["newRoot"])


def _replace_with(root: Stage) -> Stages:
    written_out = "$mergeObjects" not in root
    whole = {**root, **{name: f"${name}" for name in KEPT}} if written_out else root
    return [{"$replaceWith": {"$cond": [{"$in": ["$operationType", OF_DOCUMENTS]}, whole, ROOT]}}]


def _redact(expression: object) -> Stages:
    """Keep the event's own objects, which the user's expression would meet as well."""
    own = {"$in": ["$$CURRENT", [f"{ROOT}.{name}" for name in NEEDED]]}
    of_no_document = {"$not": {"$in": [f"{ROOT}.operationType", OF_DOCUMENTS]}}
    return [{"$redact": {"$cond": [{"$or": [own, of_no_document]}, "$$KEEP", expression]}}]


GUARDS: Mapping[str, Callable[[Any], Stages]] = {
    "$match": _match,
    "$set": _set,
    "$addFields": _set,
    "$project": _project,
    "$replaceRoot": _replace_root,
    "$replaceWith": _replace_with,
    "$redact": _redact,
}
"""The stages that need a guard, and what they become."""
