"""The values in the files of conf.d exactly as written: `${NAME}` is kept, not replaced by its value."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from watcher.config.fault import Origin
from watcher.config.files.conf_dir import read_file
from watcher.config.files.secret_file import SUFFIX, read_text, secret_path
from watcher.config.files.toml_file import leaves
from watcher.config.files.variables import escaped, variable_for


def as_written(origins: Mapping[str, Origin]) -> dict[str, Any]:
    """The values of one watcher that has no faults, by key, as a TOML file in conf.d could hold them.

    `origins` names the file of each value. A secret that is kept in a separate file becomes a `${NAME}`; a pipeline is no secret.
    """
    files = {path: _written_in(path) for path in {origin.source for origin in origins.values()} if isinstance(path, Path)}
    return {
        key: value
        for key, origin in origins.items()
        if isinstance(origin.source, Path) and (value := _value(files[origin.source], key, origin.directory)) is not None
    }


def _value(written: Mapping[str, Any], key: str, directory: Path) -> Any:
    if (file := written.get(key + SUFFIX)) is None:
        return written.get(key)
    return escaped(read_text(secret_path(file, directory))) if key == "pipeline" else variable_for(key)


def _written_in(path: Path) -> dict[str, Any]:
    if path.suffix == ".toml":
        return {".".join(keys): value for keys, value in leaves(tomllib.loads(path.read_text(encoding="utf-8-sig")))}
    return {key: escaped(entry.value) for key, entry in read_file(path, {}).entries.items()}
