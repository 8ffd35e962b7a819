"""Change events that are large, wide, deep or hostile, as raw BSON."""

from __future__ import annotations

import itertools
import struct
from collections import defaultdict
from collections.abc import Iterable
from functools import cache

import bson
from bson.raw_bson import RawBSONDocument

from tests.unit.bson_types import raw_document
from tests.unit.change_events import change

NULL = b"\x0a%b\0"


def fnv(name: bytes) -> int:
    value = 2166136261
    for byte in name:
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


@cache
def colliding(count: int) -> list[bytes]:
    """Names of one hash, as the part in C once looked for repeated ones: the last ten bits of FNV-1a."""
    found = defaultdict[int, list[bytes]](list)
    for letters in itertools.product(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", repeat=4):
        name = bytes(letters)
        found[fnv(name) & 1023].append(name)
        if len(found[fnv(name) & 1023]) == count:
            return found[fnv(name) & 1023]
    raise AssertionError(f"no {count} such names")


def flat(names: Iterable[bytes], element: bytes = NULL) -> bytes:
    return raw_document(b"".join(element % name for name in names))


def array(items: Iterable[bytes]) -> bytes:
    """`items` are a type and a value each."""
    return raw_document(b"".join(item[:1] + b"%d\0" % number + item[1:] for number, item in enumerate(items)))


def field(kind: int, name: bytes, value: bytes) -> bytes:
    return bytes([kind]) + name + b"\0" + value


def nested(document: bytes, depth: int) -> bytes:
    for _ in range(depth):
        document = raw_document(field(3, b"a", document))
    return document


def insert(document: bytes) -> bytes:
    return bson.encode(change("insert", fullDocument=RawBSONDocument(document)))


def string(text: bytes) -> bytes:
    return struct.pack("<i", len(text) + 1) + text + b"\0"
