"""`${NAME}` in TOML values: environment variables, so that a file in version control holds no secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from watcher.config.fault import Refused

_VARIABLE = re.compile(r"(?P<escaped>\$\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?\}|(?P<malformed>\$\{)")
_NOT_IN_VARIABLES = re.compile(r"[^A-Za-z0-9]")
_PLAIN_HINT = "a plain ${ is written $${"


def expand(value: Any, environment: Mapping[str, str]) -> Any:
    """`value` with every `${NAME}` and `${NAME:-default}` in its text replaced, also inside lists; `$${` gives a plain `${`.

    The default stands for a variable that is not set or empty, as in shells and Compose files. Raises `Refused` for a variable
    that is not set and has no default, and for `${` that begins none of the two.
    """
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: _replacement(match, environment), value)
    if isinstance(value, list):
        return [expand(item, environment) for item in value]
    return value


def mentioned(value: Any) -> dict[str, bool]:
    """The variables that `value`, text or a list, stands on; whether each must be set, having no default."""
    texts = value if isinstance(value, list) else [value]
    matches = [match for text in texts if isinstance(text, str) for match in _VARIABLE.finditer(text) if match["name"]]
    return {match["name"]: match["default"] is None for match in matches}


def variable_for(key: str) -> str:
    """The variable that stands for the value of a setting elsewhere: `kafka.sasl.password` is `${KAFKA_SASL_PASSWORD}`."""
    return f"${{{_NOT_IN_VARIABLES.sub('_', key).upper()}}}"


def escaped(value: Any) -> Any:
    """`value` so that `expand` gives it back: for what was never meant to hold a variable."""
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
