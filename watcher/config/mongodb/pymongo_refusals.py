"""Faults in a MongoDB URI that pymongo finds itself, without a connection: values that would stop a worker or be silently ignored.

Importing pymongo takes time, so only `watcherctl check` and similar commands ask it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

from watcher.aws import INSTALL
from watcher.config.fault import SURELY_MEANT, Refused, did_you_mean
from watcher.config.masking import is_secret
from watcher.config.mongodb.options import driver_options, missing_package
from watcher.config.mongodb.uri import uri_options

_OF_OTHER_DRIVERS = {"maxlifetimems", "poolsize", "sslvalidate", "waitqueuesize"}

_SLIPS = (LookupError, AttributeError, ArithmeticError)
"""Errors that pymongo raises besides its own errors where it has not checked a value, as that of `datetime_conversion`."""


def refused_by_pymongo(uri: str) -> Iterator[Refused]:
    """Yield the faults that pymongo finds in a URI accepted by `parse_uri`, including options that it would silently drop."""
    from pymongo.uri_parser import URI_OPTIONS

    seen = set()
    refused: list[Refused] = []
    for name, value in uri_options(uri):
        if name.lower() in seen and name.lower() != "readpreferencetags":
            yield Refused(f"has the option {name} twice", hint="keep one of them; pymongo takes the last")
        seen.add(name.lower())
        refused += _refused_option(name, value, URI_OPTIONS)
    yield from refused
    if package := missing_package(uri):
        yield Refused(f"has authMechanism=MONGODB-AWS, which needs the package {package}", hint=INSTALL)
    yield from _refused_as_a_whole(uri, already_refused=bool(refused))


def _refused_option(name: str, value: str, known: frozenset[str]) -> Iterator[Refused]:
    from pymongo.errors import ConfigurationError
    from pymongo.uri_parser import validate_options

    try:
        validate_options({name: [value] if name.lower() == "readpreferencetags" else unquote_plus(value)})
    except OSError:
        return  # a missing file, which the client below reports
    except _SLIPS:
        yield Refused(f"has an option with a bad value, {name}: pymongo cannot use its value", hint="a worker would stop at it")
    except (ConfigurationError, TypeError, ValueError) as error:
        if not str(error).startswith("Unknown option"):
            why = "pymongo cannot use its value" if is_secret(name) else f"pymongo says: {error}"
            yield Refused(f"has an option with a bad value, {name}: {why}", hint="it would be left out, as if it were not there")
        elif name.lower() not in _OF_OTHER_DRIVERS and (hint := did_you_mean(name, known, cutoff=SURELY_MEANT)):
            yield Refused(f"has an option that pymongo does not know: {name}", hint=hint)


def _refused_as_a_whole(uri: str, *, already_refused: bool) -> Iterator[Refused]:
    """Make a client that does not connect. It finds options that do not go together, and missing files."""
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    with warnings.catch_warnings(action="ignore"):
        try:
            MongoClient[dict[str, Any]](uri, connect=False, **driver_options(uri)).close()
        except _SLIPS:
            if not already_refused:
                yield Refused("has an option whose value pymongo cannot use")
        except (PyMongoError, ValueError) as error:
            yield Refused(f"pymongo says: {error}")
        except OSError as error:
            yield Refused(f"names a file that cannot be used: {error}", hint="the files for TLS are in PEM")
