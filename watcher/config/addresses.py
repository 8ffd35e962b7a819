"""Host addresses."""

from __future__ import annotations

import ipaddress


def is_ipv6(text: str) -> bool:
    """True for an IPv6 address, with or without a zone (RFC 4291, RFC 4007)."""
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
