"""The directories of a deployment, `conf.d/`, and beside it `run/` and `log/`; and the places of all files in them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from watcher.config.files.conf_dir import AGENT

CONFIG_VARIABLE = "WATCHER_CONFIG"
CONF_DIR_NAME = "conf.d"
SUPERVISORD = "supervisord"
SYSTEM_CONF_DIR = Path("/etc/database-watcher") / CONF_DIR_NAME


@dataclass(frozen=True, slots=True)
class Deployment:
    """The three directories of one fleet, as absolute paths. None of them needs to exist.

    Nothing else in the package makes the path of a file in `run/` or `log/`. `watcher/private.py` knows their names too, to tell
    such a directory from others.
    """

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

    @property
    def state_dir(self) -> Path:
        """The directory that holds `run/` and `log/`."""
        return self.run_dir.parent

    @property
    def transform_dir(self) -> Path:
        """The directory in which the modules of transforms are looked for: the one that holds conf.d."""
        return self.conf_dir.parent

    def status_file(self, name: str) -> Path:
        """A worker's status, which it writes for all others; see watcher/status/."""
        return self.run_dir / f"{name}.json"

    def metrics_file(self, name: str) -> Path:
        """A worker's metrics, in Prometheus' text format."""
        return self.run_dir / f"{name}.prom"

    def transform_file(self, name: str) -> Path:
        """The event on which a worker's transform is at work, and where it stood if it did not return."""
        return self.run_dir / f"{name}.transform"

    def lock_file(self, name: str) -> Path:
        """The file that a worker keeps locked, so that there is no second one."""
        return self.run_dir / f"{name}.lock"

    def log_file(self, program: str) -> Path:
        """The log of a watcher, of the agent, or of supervisord itself."""
        return self.log_dir / f"{program}.log"

    @property
    def logs(self) -> tuple[str, ...]:
        """The programs that have a log, except supervisord."""
        return tuple(path.stem for path in self.log_dir.glob("*.log") if path.stem != SUPERVISORD)

    @property
    def logs_of_conf_dir(self) -> frozenset[str]:
        """The names that the logs of the watchers in conf.d have, by which `is_ours` knows `log/`."""
        return frozenset(self.log_file(path.stem).name for path in self.conf_dir.glob("[!.]*.*"))

    @property
    def address_file(self) -> Path:
        """The file that says where the agent listens."""
        return self.run_dir / f"{AGENT}.json"

    @property
    def fleet_lock_file(self) -> Path:
        """The file that a `watcherctl` keeps locked while it changes the fleet."""
        return self.run_dir / ".lock"

    @property
    def key_file(self) -> Path:
        """The key of the settings' digests."""
        return self.run_dir / ".key"

    @property
    def supervisord_base(self) -> Path:
        """The deployment's own base configuration of supervisord. It need not have one."""
        return self.conf_dir.parent / "supervisor" / "supervisord.conf"

    @property
    def supervisord_config(self) -> Path:
        """The configuration that supervisord runs with, also for `supervisorctl -c`. It names supervisord's own files."""
        return self.run_dir / "supervisord.conf"

    @property
    def supervisord_socket(self) -> Path:
        """The socket on which supervisord listens."""
        return self.run_dir / "supervisor.sock"

    @property
    def programs_dir(self) -> Path:
        """The programs that supervisord runs, a file each."""
        return self.run_dir / "programs"

    @property
    def disabled_dir(self) -> Path:
        """The marks of the disabled watchers, a file each."""
        return self.run_dir / "disabled"


def _default_conf_dir() -> Path:
    if named := os.environ.get(CONFIG_VARIABLE):
        return Path(named)
    here = Path(CONF_DIR_NAME)
    return SYSTEM_CONF_DIR if SYSTEM_CONF_DIR.is_dir() and not here.is_dir() else here
