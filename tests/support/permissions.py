"""Running commands without root's privilege to read and write every file."""

from __future__ import annotations

BOUND_BY_PERMISSIONS = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
"""Words before a command. Root reads and writes every file by these two capabilities."""
