"""The directories of a deployment: `conf.d/`, and beside it `run/` and `log/`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CONFIG_VARIABLE = "WATCHER_CONFIG"
CONF_DIR_NAME = "conf.d"
SYSTEM_CONF_DIR = Path("/etc/database-watcher") / CONF_DIR_NAME


@dataclass(frozen=True, slots=True)
class Deployment:
    """The three directories of one fleet, as absolute paths. None of them needs to exist."""

    conf_dir: Path
    run_dir: Path
    log_dir: Path

    @classmethod
    def locate(cls, conf_dir: Path | None = None, state_dir: Path | None = None) -> Deployment:
        """Find the deployment of `conf_dir`, else of $WATCHER_CONFIG, else of ./conf.d or /etc/database-watcher/conf.d.

        Of the last two, the first that exists is taken; if neither does, ./conf.d is. A path may name conf.d itself or the
        directory that holds it. `run/` and `log/` are in `state_dir`, by default beside `conf.d/`.
        """
        named = (conf_dir or _default_conf_dir()).absolute()
        below = named / CONF_DIR_NAME
        conf_dir = below if os.path.isdir(below) else named  # noqa: PTH112 - Path.is_dir() raises for one that may not be entered
        state_dir = state_dir.absolute() if state_dir else conf_dir.parent
        return cls(conf_dir=conf_dir, run_dir=state_dir / "run", log_dir=state_dir / "log")


def _default_conf_dir() -> Path:
    if named := os.environ.get(CONFIG_VARIABLE):
        return Path(named)
    here = Path(CONF_DIR_NAME)
    return SYSTEM_CONF_DIR if SYSTEM_CONF_DIR.is_dir() and not here.is_dir() else here
