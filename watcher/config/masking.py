"""Hiding of secrets. All code that shows a setting shows it through `masked`."""

from __future__ import annotations

import re
from typing import Any

from watcher.config.mongodb.uri import URI

MASK = "***"

_SECRET = re.compile(
    r"password|passphrase|secret|token|key|jaas|credential|user\.info|oauthbearer\.config|authmechanismproperties", re.IGNORECASE
)
_NOT_SECRET = re.compile(r"(\.location|file|\.url|\.name|\.source|keytab)$", re.IGNORECASE)
_OPTION = re.compile(r"(?<=[?&;])([^=&;]+)=([^&;]*)")
_UP_TO_LAST_AT = re.compile(r"(?<=://).*@", re.DOTALL)


class Secret:
    """A text that is not shown by accident: logs and tracebacks show a mask. Not a dataclass, since `asdict` would reveal it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        """The text itself."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        return MASK


def masked(key: str, value: Any) -> str:
    """The value of the setting or librdkafka property `key` as text for people, without secrets."""
    if isinstance(value, Secret):
        value = value.get_secret_value()
    if is_secret(key) and not isinstance(value, bool):
        return MASK
    if isinstance(value, (list, tuple)):
        return ", ".join(masked(key, item) for item in value)
    text = str(value)
    return masked_uri(text) if "://" in text else text


def is_secret(key: str) -> bool:
    """True if the whole value of `key` is a secret, such as a password, token or key; False for the place where one is kept."""
    return _SECRET.search(key) is not None and _NOT_SECRET.search(key) is None


def masked_uri(uri: str) -> str:
    """Mask the password and the secret options of `uri`. If it cannot be parsed, everything up to the last `@` is masked."""
    parts = URI.fullmatch(uri)
    if parts is None or (parts["user"] is None and "@" in uri):
        uri = _UP_TO_LAST_AT.sub(f"{MASK}@", uri)
    elif parts["password"]:
        uri = f"{uri[: parts.start('password')]}:{MASK}{uri[parts.end('password') :]}"
    return _OPTION.sub(_masked_option, uri)


def _masked_option(option: re.Match[str]) -> str:
    """Mask a secret option, and one with an @, which may end an unescaped login. Only in `appName` is an @ normal."""
    hidden = is_secret(option[1]) or ("@" in option[2] and option[1].lower() != "appname")
    return f"{option[1]}={MASK}" if hidden else option[0]
