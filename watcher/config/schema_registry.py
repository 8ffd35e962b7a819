"""The `[schema_registry]` table. Its properties have the names and meanings that they have in Confluent's clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urlsplit

from watcher.config.checked import Check, Missing, in_turn
from watcher.config.checks import at_least, at_most, in_utf_8, one_of, text, whole_number, yes_or_no
from watcher.config.fault import Invalid, Refused, did_you_mean

SCHEMA_REGISTRY = "schema_registry"

RegistryValue = str | int | bool

BasicSource = Literal["USER_INFO", "URL"]
BearerSource = Literal["STATIC_TOKEN", "OAUTHBEARER"]

STRATEGIES: Mapping[str, str] = MappingProxyType(
    {
        "topic": "TopicNameStrategy",
        "record": "RecordNameStrategy",
        "topic-record": "TopicRecordNameStrategy",
    }
)
"""The names of Confluent's strategies by short names of ours; those of its classes end in them."""

_JAVA_PACKAGE = "io.confluent.kafka.serializers.subject."


def _urls(value: object) -> str:
    urls = text(value)
    if not all(map(_is_url, urls.split(","))):
        raise Refused("must be an address such as http://localhost:8081", hint="several are separated by commas")
    return urls


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url.strip())
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False


def _header(value: object) -> str:
    """Return text that a header of HTTP can hold. The value is a secret, and not repeated."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise Refused("must be text of printable ASCII characters")
    return value


def _pair(value: object) -> str:
    if not isinstance(value, str) or ":" not in value:
        raise Refused("must be user:password")
    return in_utf_8(value)


def _secret(value: object) -> str:
    if not isinstance(value, str):
        raise Refused("must be text")
    return in_utf_8(value)


def _strategy(value: object) -> str:
    """Return the short name of a strategy, given as that, as Confluent's name, or as the class in Java."""
    name = text(value).removeprefix(_JAVA_PACKAGE)
    short = {long: short for short, long in STRATEGIES.items()}.get(name, name)
    if short not in STRATEGIES:
        raise Refused(
            f"must be one of {', '.join(STRATEGIES.values())}, not '{value}'", hint=did_you_mean(name, STRATEGIES.values())
        )
    return short


_SECONDS: tuple[Check, ...] = (whole_number, at_least(1), at_most(60))

PROPERTIES: Mapping[str, tuple[Check, ...]] = MappingProxyType(
    {
        "url": (_urls,),
        "timeout": _SECONDS,
        "basic.auth.credentials.source": (one_of(BasicSource),),
        "basic.auth.user.info": (_pair,),
        "bearer.auth.credentials.source": (one_of(BearerSource),),
        "bearer.auth.token": (_header,),
        "bearer.auth.issuer.endpoint.url": (_urls,),
        "bearer.auth.client.id": (text,),
        "bearer.auth.client.secret": (_secret,),
        "bearer.auth.scope": (text,),
        "bearer.auth.logical.cluster": (_header,),
        "bearer.auth.identity.pool.id": (_header,),
        "ssl.ca.location": (text,),
        "ssl.certificate.location": (text,),
        "ssl.key.location": (text,),
        "ssl.key.password": (_secret,),
        "auto.register.schemas": (yes_or_no,),
        "use.latest.version": (yes_or_no,),
        "normalize.schemas": (yes_or_no,),
        "subject.name.strategy": (_strategy,),
    }
)
"""The properties, with the checks of their values."""

_OAUTH = ("bearer.auth.issuer.endpoint.url", "bearer.auth.client.id", "bearer.auth.client.secret")


def check_registry(value: object) -> dict[str, RegistryValue]:
    """Return the table with its values in their types. Raises `Invalid` with all that is wrong with it."""
    if not isinstance(value, Mapping):
        raise Refused("must be a table", hint="write [schema_registry] on a line, and its entries below it")
    checked: dict[str, RegistryValue] = {}
    refusals = []
    for name, item in value.items():
        try:
            if name not in PROPERTIES:
                raise Refused("is no property that a watcher knows", hint=_hint(name))
            checked[name] = in_turn(PROPERTIES[name], item)
        except Refused as refused:
            refusals.append(refused.within(name))
    if refusals:
        raise Invalid(refusals)
    return checked


def _hint(name: str) -> str:
    if name.startswith(("key.", "value.")):
        return f"{name.partition('.')[2]}, which is for keys and values alike"
    return did_you_mean(name, PROPERTIES) or "docs/configuration.md lists them"


def contradictions(good: Mapping[str, Any]) -> Iterator[Refused]:
    """Yield a refusal for each value of the table that does not go with another, or with the serialization."""
    registry: Mapping[str, Any] | None = good.get(SCHEMA_REGISTRY)
    if "serialization" not in good or registry is None:
        return
    if good["serialization"] != "avro":
        if registry:
            yield Refused('is for serialization = "avro" alone', key=SCHEMA_REGISTRY, hint="set it, or remove the table")
        return
    if "url" not in registry:
        key = f"{SCHEMA_REGISTRY}.url" if registry else SCHEMA_REGISTRY
        yield Missing('is missing, and serialization = "avro" needs it', key=key)
    if good.get("kafka_headers") is False:
        text = 'must be true with serialization = "avro": without the registry nothing else tells its sequence and its watcher'
        yield Refused(text, key="kafka_headers", hint="remove this line")
    for key, text, hint in _within(registry):
        yield Refused(text, key=f"{SCHEMA_REGISTRY}.{key}", hint=hint)


def _within(registry: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield property, text and hint for each contradiction within the table."""
    has: Callable[[str], bool] = registry.__contains__
    if registry.get("use.latest.version") and registry.get("auto.register.schemas"):
        yield "use.latest.version", "does not go with auto.register.schemas = true", "keep one of them"
    if has("basic.auth.user.info") and has("bearer.auth.credentials.source"):
        yield "basic.auth.user.info", "does not go with bearer.auth.credentials.source", "keep one of them"
    if registry.get("basic.auth.credentials.source") == "USER_INFO" and not has("basic.auth.user.info"):
        yield "basic.auth.credentials.source", "needs basic.auth.user.info", "user:password"
    if registry.get("basic.auth.credentials.source") == "URL" and "@" not in str(registry.get("url", "@")):
        yield "basic.auth.credentials.source", "needs user and password in url", "https://user:password@host"
    source = registry.get("bearer.auth.credentials.source")
    for needed in {"STATIC_TOKEN": ("bearer.auth.token",), "OAUTHBEARER": _OAUTH}.get(source or "", ()):
        if not has(needed):
            yield "bearer.auth.credentials.source", f"needs {needed}", ""
    for key, other in (("ssl.certificate.location", "ssl.key.location"), ("ssl.key.location", "ssl.certificate.location")):
        if has(key) and not has(other):
            yield key, f"needs {other}", ""


def missing_files(registry: Mapping[str, Any]) -> Iterator[Refused]:
    """Yield a refusal for each file of the table that is not there."""
    for name, value in registry.items():
        if name.endswith(".location") and not Path(str(value)).is_file():
            yield Refused(f"names {value}, which is no file", key=name)


def defaults(given: Mapping[str, Any]) -> Mapping[str, object]:
    """Return the defaults of other settings that follow from the serialization that is given."""
    return {"kafka_headers": True} if given.get("serialization") == "avro" else {}
