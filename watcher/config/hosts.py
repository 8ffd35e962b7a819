"""Settings as one host tells them to the others, and how another one's differ from its own. Pure.

No secret is told, nor anything that could be compared with one: what `watcherctl check --show` masks is left out, or masked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from watcher.config.in_force import values_in_force
from watcher.config.masking import MASK
from watcher.config.settings import Settings

LONGEST_TOLD = 200
"""Characters up to which a value is told itself. Of a longer one, such as a query, its digest is."""

DIGEST = "sha256:"

OF_ONE_HOST = ("log_level", "kafka.client.rack")
"""Settings that may differ from host to host, because they do not change what is delivered. So may the places of files."""

_TABLES_WITH_FILES = ("kafka.", "schema_registry.")


def told_settings(settings: Settings) -> dict[str, str]:
    """Return the value of each setting that should be the same on all hosts, by its key; those of tables as `kafka.linger.ms`."""
    values = ((key, text) for key, text, _ in values_in_force(settings, {}))
    return {key: _in_short(text) for key, text in values if text != MASK and not _is_of_one_host(key)}


def differences(theirs: Mapping[str, str], ours: Mapping[str, str], host: str) -> tuple[str, ...]:
    """Name the settings that are not the same on `host` as on this one, with their values.

    A setting that only one of them knows, because their releases differ, is none. An entry of a table may be missing on one.
    """
    keys = [key for key in {**ours, **theirs} if "." in key or (key in ours and key in theirs)]
    return tuple(_difference(key, theirs.get(key), ours.get(key), host) for key in keys if theirs.get(key) != ours.get(key))


def _difference(key: str, theirs: str | None, ours: str | None, host: str) -> str:
    if any(text is not None and text.startswith(DIGEST) for text in (theirs, ours)):
        return f"{host} has another {key}"
    return f"{host} has {key} = {_shown(theirs)}, this host {_shown(ours)}"


def _shown(text: str | None) -> str:
    return "nothing" if text is None else text or '""'


def _in_short(text: str) -> str:
    return text if len(text) <= LONGEST_TOLD else DIGEST + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _is_of_one_host(key: str) -> bool:
    return key in OF_ONE_HOST or (key.startswith(_TABLES_WITH_FILES) and key.endswith(".location"))
