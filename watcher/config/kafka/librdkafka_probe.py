"""Stand-ins for the properties that make librdkafka act as soon as a client is made, so that it can be asked about the others.

Some request a token with the client's secret, some run a command, some load code. Files that it only reads stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from watcher.aws import INSTALL, MECHANISM, PROPERTIES, SIGNER, as_oauthbearer, is_chosen, is_installed
from watcher.config.fault import Refused
from watcher.config.kafka.librdkafka import PropertyValue

PLUGINS = "plugin.library.paths"

ENDPOINT = "sasl.oauthbearer.token.endpoint.url"
"""Property with the address to which librdkafka sends the client's secret for a token, at once and without a broker."""

NOWHERE = "http://127.0.0.1:99999/"
"""An address that libcurl refuses before it connects, whatever proxy the environment names. A proxy would get a request for a
closed port."""

_ENDPOINT_BY_DEFAULT = "sasl.oauthbearer.metadata.authentication.type"
"""Property whose value may be a cloud's metadata service: then librdkafka knows the address itself."""

_LEFT_OUT = {"bootstrap.servers", "metadata.broker.list", PLUGINS, "ssl.engine.location", "internal.termination.signal"}

_PROVIDERS = "ssl.providers"

_NO_COMMAND = {"sasl.kerberos.kinit.cmd": ":"}
"""Kerberos is the default among SASL's mechanisms, and a command is the default too: it must be replaced where it is not set."""

_NO_TOKEN = {"enable.sasl.oauthbearer.unsecure.jwt": True}
"""Stands for the callback that fetches credentials of AWS."""


def harmless(properties: Mapping[str, PropertyValue]) -> dict[str, PropertyValue]:
    """Return properties that librdkafka judges like these, but with which a client connects to nothing and runs nothing."""
    kept = {name: value for name, value in properties.items() if name not in _LEFT_OUT}
    if "/" in str(kept.get(_PROVIDERS, "")):
        del kept[_PROVIDERS]  # a provider named by its path is a library, like an engine
    asks_metadata = str(properties.get(_ENDPOINT_BY_DEFAULT, "none")).strip().lower() != "none"
    if asks_metadata or str(properties.get(ENDPOINT, "")).strip():
        kept[ENDPOINT] = NOWHERE
    if is_chosen(kept):
        kept = as_oauthbearer(kept) | _NO_TOKEN
    return {**kept, **_NO_COMMAND}


def missing_package(properties: Mapping[str, PropertyValue]) -> Iterator[Refused]:
    """Yield a refusal if the login needs a package that is not installed."""
    if is_chosen(properties) and not is_installed(SIGNER):
        key = next(name for name in PROPERTIES if name in properties)
        yield Refused(f"{MECHANISM} needs the package {SIGNER}", hint=INSTALL, key=key)


def missing_plugins(properties: Mapping[str, PropertyValue]) -> Iterator[Refused]:
    """Yield a refusal for each plugin that is named by its path and is not there. Others are looked for where the system looks."""
    for path in str(properties.get(PLUGINS, "")).split(";"):
        if "/" in path and not any(Path(path + suffix).exists() for suffix in ("", ".so", ".dylib")):
            yield Refused(f"names a plugin that does not exist: {path}", key=PLUGINS)
