"""Host addresses."""

from __future__ import annotations

import ipaddress

LOOPBACK_NAMES = ("localhost", "ip6-localhost")


def is_ipv6(text: str) -> bool:
    """True for an IPv6 address, with or without a zone (RFC 4291, RFC 4007)."""
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """True for an address, or a usual name, that leads to the host itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in LOOPBACK_NAMES
