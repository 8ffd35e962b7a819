"""Finding the watchers' files in conf.d, and reading one of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from watcher.config.fault import Fault, Origin, why_unread
from watcher.config.files.env_file import read_env
from watcher.config.files.source import SettingsSource
from watcher.config.files.toml_file import read_toml
from watcher.config.settings import KEYS

DEFAULTS = "defaults"
DEFAULTS_FILE = f"{DEFAULTS}.toml"
AGENT = "agent"
AGENT_FILE = f"{AGENT}.toml"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
RESERVED_NAMES = {
    DEFAULTS: f"what watchers share goes into {DEFAULTS_FILE}",
    "all": "start --all means every watcher",
    AGENT: f"the fleet's own program has that name; its settings go into {AGENT_FILE}",
    "supervisord": "supervisord's own files have that name",
}
SUFFIXES = (".toml", ".env")

PIPELINE_SUFFIX = ".pipeline.json"
"""End of the names of files with a watcher's `pipeline`. Their names are free; those that end so may stand here."""

_OTHER_FORMATS = (".yaml", ".yml", ".json", ".ini", ".cfg", ".conf", ".properties")
_START_HINT = "`watcherctl init` writes one to start from; --config DIR or $WATCHER_CONFIG name another place"


@dataclass(slots=True)
class ConfDir:
    """The watchers' files in a conf.d, by watcher name, and the faults of the other files."""

    path: Path
    files: dict[str, list[Path]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def add_fault(self, path: Path, text: str, hint: str) -> None:
        """Record a fault of the directory."""
        self.faults.append(Fault(Origin(path), "", text, hint))


def list_conf_dir(path: Path) -> ConfDir:
    """List the watchers' files in `path`. A file that was probably meant to be one is a fault; other files are ignored."""
    conf_dir = ConfDir(path)
    try:
        entries = sorted(path.iterdir())
    except NotADirectoryError:
        conf_dir.add_fault(path, "is a file", "--config and $WATCHER_CONFIG name the directory; a watcher's name stands by itself")
        return conf_dir
    except OSError as error:
        conf_dir.add_fault(path, f"cannot be read: {error.strerror}", _START_HINT)
        return conf_dir
    for entry in entries:
        if entry.name not in (DEFAULTS_FILE, AGENT_FILE):
            _sort_in(conf_dir, entry)
    if not conf_dir.files and not conf_dir.faults:
        conf_dir.add_fault(path, "holds no watcher", f"put <name>.toml or <name>.env there; {_START_HINT}")
    return conf_dir


def watcher_names(path: Path) -> tuple[str, ...]:
    """The watchers' names, from the file names alone: for shell completion and selection."""
    return tuple(list_conf_dir(path).files)


def _sort_in(conf_dir: ConfDir, entry: Path) -> None:
    if entry.suffix in SUFFIXES and not entry.name.startswith("."):
        if refusal := name_refusal(entry.stem):
            conf_dir.add_fault(entry, f"'{entry.stem}' cannot be a watcher's name", refusal)
        else:
            conf_dir.files.setdefault(entry.stem, []).append(entry)
    elif hint := _near_miss(entry.name):
        conf_dir.add_fault(entry, "is not a watcher's file", hint)


def name_refusal(name: str) -> str:
    """A hint that explains why `name` cannot be a watcher's; empty if it can.

    The name is also used for supervisord's program and for files in run/ and log/.
    """
    if name in RESERVED_NAMES:
        return RESERVED_NAMES[name]
    return "" if NAME.fullmatch(name) else "names are letters, digits, . _ -, and begin with a letter or digit"


def _near_miss(file_name: str) -> str:
    """A hint for a file that was probably meant to be a watcher's; empty for any other."""
    stem, _, suffix = file_name.rpartition(".")
    suffix = f".{suffix.lower()}"
    if file_name == ".env":
        return "rename it to <name>.env: a watcher is named after its file"
    if not stem or file_name.startswith(".") or file_name.endswith(("~", PIPELINE_SUFFIX)):
        return ""
    if suffix in _OTHER_FORMATS:
        stages = f"; a file for pipeline_file: {stem}{PIPELINE_SUFFIX}" if suffix == ".json" else ""
        return f"write it as {stem}.toml or {stem}.env{stages}"
    near = difflib.get_close_matches(suffix, SUFFIXES, n=1, cutoff=0.75)
    return f"rename it to {stem}{near[0]}" if near else ""


def read_file(path: Path, environment: Mapping[str, str], keys: Collection[str] = KEYS) -> SettingsSource:
    """Read the file at `path`: as TOML if its name ends in `.toml`, else as an `.env` file. Faults are recorded, never raised."""
    is_toml = path.suffix == ".toml"
    source = SettingsSource(Origin(path), spell=str if is_toml else str.upper, keys=keys)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason, hint = why_unread(error)
        source.give_up(f"cannot be read: {reason}", hint=hint)
    except UnicodeDecodeError as error:
        reason, hint = why_unread(error)
        source.give_up(f"is {reason}", line=error.object.count(b"\n", 0, error.start) + 1, hint=hint)
    else:
        if is_toml:
            read_toml(source, text, environment)
        else:
            read_env(source, text)
    return source


def same_name_faults(paths: Iterable[Path]) -> list[Fault]:
    """A fault for each further file with the same watcher name."""
    first, *others = paths
    return [Fault(Origin(path), "", f"has the same name as {first.name}", "keep one of them") for path in others]
