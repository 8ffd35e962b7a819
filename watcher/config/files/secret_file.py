"""Settings whose value is kept in a separate file: `mongodb_uri_file`, and `*_file` for each property of `[kafka]` and
`[schema_registry]`; and, though no secret, `pipeline_file`."""

from __future__ import annotations

from pathlib import Path

from watcher.config.fault import Refused, why_unread

SUFFIX = "_file"


def secret_path(written: object, directory: Path) -> Path:
    """The absolute path of the file. A relative path starts at `directory`. Raises `Refused` if `written` is not a path."""
    if not isinstance(written, str) or not written or "\0" in written:
        raise Refused("must be the path of a file")
    return (directory / written).absolute()


def secret_of(key: str, path: Path, written: object = "") -> str:
    """Read the file of `key`. Blanks at the ends of a URI are removed. Raises the same errors as `read_text`."""
    text = read_text(path, written)
    return text.strip() if key == "mongodb_uri" else text


def read_text(path: Path, written: object = "") -> str:
    """The file's text without line breaks at its end. Raises `Refused`, which shows the path as it is `written`."""
    try:
        text = path.read_bytes().decode("utf-8-sig").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason, hint = why_unread(error)
        raise Refused(f"cannot read {written or path}: {reason}", hint=hint) from None
    if not text.strip():
        raise Refused(f"names {written or path}, and that file is empty")
    return text
