"""Settings that are kept in a file of their own: `mongodb_uri_file`, and `*_file` for each property of `[kafka]`."""

from __future__ import annotations

from pathlib import Path

from watcher.config.fault import Refused, why_unread

SUFFIX = "_file"


def secret_path(written: object, directory: Path) -> Path:
    """The place of the file; a relative path starts at `directory`. Raises `Refused` for what is no path."""
    if not isinstance(written, str) or not written or "\0" in written:
        raise Refused("must be the path of a file")
    return (directory / written).absolute()


def secret_of(key: str, path: Path, written: object = "") -> str:
    """The text in the file of `key`. Blanks at the ends are no part of a URI. Errors: as `read_secret`."""
    text = read_secret(path, written)
    return text.strip() if key == "mongodb_uri" else text


def read_secret(path: Path, written: object = "") -> str:
    """The file's text without the line break at its end; raises `Refused`, which calls the file as it is `written`."""
    try:
        text = path.read_bytes().decode("utf-8-sig").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason, hint = why_unread(error)
        raise Refused(f"cannot read {written or path}: {reason}", hint=hint) from None
    if not text.strip():
        raise Refused(f"names {written or path}, and that file is empty")
    return text
