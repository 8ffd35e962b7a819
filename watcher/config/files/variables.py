"""Environment variables in TOML values, as `${NAME}`, so that a file in version control holds no secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from watcher.config.fault import Refused

_VARIABLE = re.compile(r"(?P<escaped>\$\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?\}|(?P<malformed>\$\{)")
_NOT_IN_VARIABLES = re.compile(r"[^A-Za-z0-9]")
_PLAIN_HINT = "a plain ${ is written $${"


def expand(value: Any, environment: Mapping[str, str]) -> Any:
    """Replace every `${NAME}` and `${NAME:-default}` in `value`, text or a list. `$${` gives a plain `${`.

    The default is used if the variable is not set or empty, as in shells and Compose files. Raises `Refused` for a variable that
    is not set and has no default, and for a `${` that begins neither form.
    """
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: _replacement(match, environment), value)
    if isinstance(value, list):
        return [expand(item, environment) for item in value]
    return value


def mentioned(value: Any) -> dict[str, bool]:
    """The variables that `value`, text or a list, refers to. Each maps to True if it has no default and so must be set."""
    texts = value if isinstance(value, list) else [value]
    matches = [match for text in texts if isinstance(text, str) for match in _VARIABLE.finditer(text) if match["name"]]
    return {match["name"]: match["default"] is None for match in matches}


def variable_for(key: str) -> str:
    """The reference to use for a setting whose value is kept elsewhere: `kafka.sasl.password` is `${KAFKA_SASL_PASSWORD}`."""
    return f"${{{_NOT_IN_VARIABLES.sub('_', key).upper()}}}"


def escaped(value: Any) -> Any:
    """Escape `value`, which holds no variables, so that `expand` gives it back."""
    return value.replace("${", "$${") if isinstance(value, str) else value


def _replacement(match: re.Match[str], environment: Mapping[str, str]) -> str:
    if match["escaped"]:
        return "${"
    if match["malformed"]:
        raise Refused("has ${ without NAME}", hint=f"write ${{NAME}} or ${{NAME:-default}}; {_PLAIN_HINT}")
    given, default = environment.get(match["name"]), match["default"]
    if given is None and default is None:
        raise Refused(
            f"environment variable {match['name']} is not set",
            hint=f"set it where the watcher starts, or write ${{NAME:-default}}; {_PLAIN_HINT}",
        )
    return given or default or ""
