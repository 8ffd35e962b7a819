"""Addresses of hosts."""

from __future__ import annotations

import ipaddress


def is_ipv6(text: str) -> bool:
    """Whether `text` is an IPv6 address, with or without a zone."""
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
