"""A digest of a watcher's settings, or of the agent's, that reveals nothing about them.

The hash is keyed, because a guessable password could be found by trial from a plain hash of its URI. The key is random, stays in
`run/`, and only its owner can read it. If it is lost, the next `apply` restarts every worker once.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from dataclasses import asdict
from pathlib import Path

from watcher.config.agent_settings import AgentSettings
from watcher.config.masking import Secret
from watcher.config.settings import Settings
from watcher.private import open_file, replace_file

_KEY_BYTES = 32


def settings_digest(settings: Settings | AgentSettings, key: bytes) -> str:
    """HMAC-SHA256 of the settings in force, in hexadecimal."""
    text = json.dumps(asdict(settings), sort_keys=True, default=_plain)
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, Secret) else str(value)


def load_key(path: Path) -> bytes | None:
    """The deployment's key; None if there is none, or it was cut short by a full disk. Raises OSError."""
    if os.path.lexists(path):
        with os.fdopen(open_file(path, os.O_RDONLY), "rb") as file:
            if len(key := file.read()) == _KEY_BYTES:
                return bytes(key)
    return None


def load_or_make_key(path: Path) -> bytes:
    """The deployment's key, made on first use with mode 0600. Raises OSError."""
    key = load_key(path)
    if key is None:
        key = secrets.token_bytes(_KEY_BYTES)
        replace_file(path, key)
    return key
