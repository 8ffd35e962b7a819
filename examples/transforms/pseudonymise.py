"""A transform that puts a keyed hash in the place of fields: the same value has the same hash, and nobody without the key finds it.

    # conf.d/dashboard.toml
    transform = "pseudonymise:pseudonymise"

Copy this file beside conf.d/, name the fields below, and start the watchers with the key, at least 32 characters that only they
know, in the environment variable PSEUDONYM_KEY. With another key all values change.

It cannot hide an `_id` or a shard key: both are in the message's `eventId`, MongoDB's resume token, which nothing may change. So a
hash in `message["documentKey"]["_id"]` changes the key of the Kafka message, and hides nothing. Where the values of `_id` are
personal, docs/filtering.md says what to do.
"""

import hashlib
import hmac
import json
import os

FIELDS = {"users": ["email", "contacts.phone"]}
"""Paths of fields by collection. Arrays on the way are searched element by element."""

KEY = os.environ.get("PSEUDONYM_KEY", "").encode()
if len(KEY) < 32:
    raise SystemExit("PSEUDONYM_KEY must have at least 32 characters")


def pseudonymise(message):
    """Replace the fields in the document, in the one before the change, and in the description of an update."""
    for path in FIELDS.get(message["collection"], []):
        names = path.split(".")
        for document in ("fullDocument", "fullDocumentBeforeChange"):
            replace(message.get(document), names)
        replace_updated((message.get("updateDescription") or {}).get("updatedFields") or {}, names)
    return message


def replace(value, names):
    """Replace what is at the path `names` below `value`, if it is there."""
    if isinstance(value, list):
        for item in value:
            replace(item, names)
    elif isinstance(value, dict) and names[0] in value:
        if len(names) > 1:
            replace(value[names[0]], names[1:])
        else:
            value[names[0]] = hashed(value[names[0]])


def replace_updated(updated, names):
    """Replace the path in `updatedFields`, whose names are paths themselves, such as `contacts.0.phone`."""
    for written, value in updated.items():
        parts = [part for part in written.split(".") if not part.isdigit()]
        if parts[: len(names)] == names:
            updated[written] = hashed(value)
        elif names[: len(parts)] == parts:
            replace(value, names[len(parts) :])


def hashed(value):
    """Return the keyed hash of any value of JSON, as text; null stays null."""
    if value is None:
        return None
    return hmac.new(KEY, json.dumps(value, sort_keys=True).encode(), hashlib.sha256).hexdigest()
