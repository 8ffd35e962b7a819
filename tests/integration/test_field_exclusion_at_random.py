"""exclude_fields with random documents and random changes, against a rule that is simple because it may be slow."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import bson
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pymongo.collection import Collection
from pymongo.database import Database

from tests.support.excluding_streams import PADDING, SECRET, OpenStreams, with_pre_images
from watcher.config.mongodb.fields import split_field

pytest_plugins = ["tests.support.excluding_fixtures"]

Document = dict[str, Any]
Path = tuple[str, ...]

FIELDS = ("people.c", "*.ssn", "*.a.b", "pe*.b.a.c", "people.a.a.a.b", "*.b.b", "zoo.c.a")
COLLECTIONS = ("people", "pets", "zoo")
PLAIN_NAMES = ("a", "b", "c", "ssn", "0")
ODD_NAMES = ("a.b", "b.0.a", "$a", "", "A", "a\n", "größe")

scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text("ab.$0", max_size=3)
names = st.sampled_from(PLAIN_NAMES * 3 + ODD_NAMES)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(names, inner, min_size=1, max_size=4),
    max_leaves=16,
)
documents = st.dictionaries(st.sampled_from(PLAIN_NAMES), values, min_size=2).map(PADDING.__or__)


def paths_of(collection: str) -> list[Path]:
    return [path for pattern, path in map(split_field, FIELDS) if fnmatchcase(collection, pattern)]


def marked(value: Any, place: Path, paths: list[Path]) -> Any:
    """`value`, which stands at `place` in a document, with the secret at every place that is excluded, and nowhere else."""
    match value:
        case dict():
            return {name: marked(inner, (*place, name), paths) for name, inner in value.items()}
        case list():
            return [marked(inner, place, paths) for inner in value]
    return SECRET if any(place[: len(path)] == path for path in paths) else value


def without(value: Any, place: Path, paths: list[Path]) -> Any:
    """`value`, which stands at `place` in a document, without what is excluded below it."""
    match value:
        case dict():
            return {name: without(inner, (*place, name), paths) for name, inner in value.items() if (*place, name) not in paths}
        case list():
            return [without(inner, place, paths) for inner in value]
    return value


def expected(plain: bytes) -> bytes:
    """Return what the event must be with the fields excluded."""
    event = bson.decode(plain)
    paths = paths_of(event["ns"]["coll"])
    for name in ("fullDocument", "fullDocumentBeforeChange"):
        if name in event:
            event[name] = without(event[name], (), paths)
    if description := event.get("updateDescription"):
        updated = {}
        for name, value in description["updatedFields"].items():
            first, *others = name.split(".")
            place = (first, *(part for part in others if not part.isdecimal()))
            if not any(place[: len(path)] == path for path in paths):
                updated[name] = without(value, place, paths)
        description["updatedFields"] = updated
    return bson.encode(event)


def place_in(document: Document, data: st.DataObject) -> list[str]:
    """A path for $set that fits into `document`: of something in it, or of something new beside that."""
    steps: list[str] = []
    inside: Any = document
    while not steps or (isinstance(inside, (dict, list)) and data.draw(st.integers(0, 4), "go on")):
        if isinstance(inside, list):
            position = data.draw(st.integers(0, len(inside)), "position")
            steps.append(str(position))
            inside = inside[position] if position < len(inside) else None
        else:
            there = [name for name in inside if name in PLAIN_NAMES]
            steps.append(data.draw(st.sampled_from(there * 2 + [*PLAIN_NAMES]), "name"))
            inside = inside.get(steps[-1])
    return steps


def names_on(document: Document, steps: list[str]) -> Path:
    """The names of fields among `steps`, which lead into `document`."""
    names = []
    inside: Any = document
    for step in steps:
        if isinstance(inside, list):
            inside = inside[int(step)] if int(step) < len(inside) else None
        else:
            names.append(step)
            inside = inside.get(step)
    return tuple(names)


def change_at_random(collection: Collection[Document], paths: list[Path], data: st.DataObject) -> None:
    """One write to the collection's only document."""
    document = collection.find_one() or {}
    document.pop("_id")
    match data.draw(st.sampled_from(["set", "set", "set", "unset", "push", "replace", "compare"]), "operation"):
        case "set":
            steps = place_in(document, data)
            value = marked(data.draw(values, "value"), names_on(document, steps), paths)
            collection.update_one({}, {"$set": {".".join(steps): value}})
        case "unset":
            collection.update_one({}, {"$unset": {".".join(place_in(document, data)): 1}})
        case "push":
            name = data.draw(
                st.sampled_from(sorted(name for name, value in document.items() if isinstance(value, list)) or ["new"])
            )
            added = [marked(value, (name,), paths) for value in data.draw(st.lists(values, max_size=3), "values")]
            collection.update_one({}, {"$push": {name: {"$each": added, "$position": data.draw(st.integers(-2, 2))}}})
        case "replace":
            collection.replace_one({}, marked(data.draw(documents, "document"), (), paths))
        case "compare":  # the server finds out itself what is different: nested differences, truncated arrays
            after = marked(document | data.draw(documents, "changes"), (), paths)
            collection.update_one({}, [{"$replaceWith": {"$mergeObjects": [{"_id": "$_id"}, {"$literal": after}]}}])


def test_no_random_change_lets_a_secret_out(open_streams: OpenStreams, db: Database[Document]) -> None:
    collections = {name: with_pre_images(db, name) for name in COLLECTIONS}
    streams = open_streams(*FIELDS, full_document_before_change="required", full_document="whenAvailable")

    @hypothesis_settings(
        max_examples=60,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
        phases=[Phase.reuse, Phase.generate],  # shrinking takes minutes on a server
    )
    @given(name=st.sampled_from(COLLECTIONS), document=documents, data=st.data())
    def check(name: str, document: Document, data: st.DataObject) -> None:
        paths = paths_of(name)
        collections[name].insert_one(marked(document, (), paths))
        try:
            for _ in range(data.draw(st.integers(2, 8), "changes")):
                change_at_random(collections[name], paths, data)
        finally:  # else the next example would meet this one's document and events
            collections[name].delete_one({})
            pairs = streams.pairs()
        for plain, excluding in pairs:
            assert SECRET.encode() not in excluding
            assert bson.decode(excluding) == bson.decode(expected(plain))
            assert excluding == expected(plain)

    check()
