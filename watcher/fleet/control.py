"""Operations on a fleet: start, stop, restart, apply, enable, disable, down.

An operation affects only the watchers it names. `run/programs/` holds only the watchers that were asked to run since supervisord
started, so starting one never starts another. The agent, if it is wanted, starts along with the first watcher.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from shlex import quote

from watcher.config.agent_settings import LoadedAgent
from watcher.config.deployment import Deployment
from watcher.config.files.conf_dir import AGENT
from watcher.config.settings import Settings
from watcher.fleet import launch
from watcher.fleet.changes.config_changes import ConfigChanges, compare, told, with_meaning
from watcher.fleet.changes.digest import load_key
from watcher.fleet.changes.formats import FormatChange, format_changes
from watcher.fleet.commands import CommandOf, worker_command
from watcher.fleet.errors import DISK_REFUSES, FleetError
from watcher.fleet.files import DisabledMarks, ProgramFiles
from watcher.fleet.lock import fleet_lock
from watcher.fleet.programs import same_worker, with_autostart
from watcher.fleet.sharing import share
from watcher.fleet.supervisord import Process, Supervisord
from watcher.fleet.wanted import WantedPrograms


class Fleet:
    """The watchers of one deployment under its supervisord. All methods raise FleetError or a subclass.

    `agent` is the content of `agent.toml`; without it the fleet has no agent. An agent whose settings have faults is left as it is.
    `not_shared` is the reason why the group of `agent.toml` could not be let in.
    """

    def __init__(self, deployment: Deployment, command_of: CommandOf | None = None, agent: LoadedAgent | None = None) -> None:
        self.deployment = deployment
        self.agent = agent or LoadedAgent()
        self.supervisord = Supervisord(deployment.supervisord_socket)
        self.disabled = DisabledMarks(deployment.disabled_dir)
        self.not_shared: FleetError | None = None
        self._programs = ProgramFiles(deployment.programs_dir)
        self._wanted = WantedPrograms(deployment, self.agent.wanted, command_of or worker_command(deployment), self.disabled)

    def start(self, watchers: Iterable[Settings]) -> None:
        """Start the watchers that do not run yet, and supervisord first if necessary. Does not wait for the workers."""
        with self._lock():
            self._share()
            texts = self._wanted.texts(watchers)
            if self.supervisord.is_running():
                self._start_idle(texts)
            else:
                self._launch_with(texts)

    def _launch_with(self, texts: Mapping[str, str]) -> None:
        launch.refuse_a_second(self.deployment)  # before anything changes
        self._write_exactly(texts)
        launch.launch(self.deployment)
        self._start_disabled(texts)

    def prepare(self, watchers: Iterable[Settings]) -> None:
        """Let the next supervisord start exactly these watchers. Raises FleetError if a supervisord already runs."""
        with self._lock():
            if self.supervisord.is_running():
                raise FleetError("this fleet runs already", hint="watcherctl down")
            launch.refuse_a_second(self.deployment)
            launch.check_writable(self.deployment)
            self._share()
            self._write_exactly(self._wanted.texts(watchers))

    def _write_exactly(self, texts: Mapping[str, str]) -> None:
        self._programs.verify(texts)
        self._programs.write(texts)
        self._programs.keep_only(set(texts))

    def _start_idle(self, texts: Mapping[str, str]) -> None:
        known = self.supervisord.processes()
        idle = {name: text for name, text in texts.items() if name not in known or not known[name].is_running}
        self._replace(idle)
        self._start_disabled(idle)

    def _replace(self, texts: Mapping[str, str]) -> None:
        """Give supervisord the current text of programs that do not run. Those with autostart start at once."""
        self._programs.verify(texts)
        for name in texts:
            self.supervisord.remove(name)
        self._programs.write(texts)
        self.supervisord.reload()
        for name in texts:
            self.supervisord.add(name)

    def _start_disabled(self, names: Iterable[str]) -> None:
        for name in names:
            if name in self.disabled:
                self.supervisord.start(name)

    def stop(self, names: Collection[str]) -> None:
        """Stop workers, letting each finish its transaction. supervisord keeps running."""
        with self._lock():
            self.supervisord.stop(names)

    def restart(self, watchers: Collection[Settings]) -> None:
        """Stop watchers and start them with the current settings. A watcher that could not be started again is not stopped."""
        self._check(watchers)
        if self.supervisord.is_running():
            self.stop([settings.name for settings in watchers])
        self.start(watchers)

    def _check(self, watchers: Iterable[Settings]) -> None:
        with self._lock():
            self._programs.verify(self._wanted.texts(watchers))

    def apply(self, watchers: Iterable[Settings], faulty: Collection[str] = (), *, dry_run: bool = False) -> ConfigChanges:
        """Make supervisord run what conf.d says. Only watchers that differ are affected; those stopped by hand stay stopped."""
        with self._lock():
            known, watchers = self.supervisord.processes(), tuple(watchers)
            texts, current = self._wanted.texts(watchers), self._programs.read_all()
            untouched = [*faulty, AGENT] if self.agent.faults else faulty
            changes = self._with_started(compare(texts, current, known, untouched), known)
            changes = with_meaning(changes, watchers, current)
            if not dry_run:
                self._carry_out(changes, texts)
        return changes

    def formats_of(self, watchers: Iterable[Settings]) -> dict[str, Sequence[FormatChange]]:
        """Return what watchers would write in another way than when they last started, by name."""
        current = self._programs.read_all()
        return told(format_changes, [settings for settings in watchers if settings.name in current], current)

    def unapplied(self, watchers: Iterable[Settings]) -> frozenset[str]:
        """Return the names of those that `apply` would restart, if they run. Changes nothing, and waits for nobody.

        Values from the environment are this process', so another shell may see other changes; who may only read sees none.
        """
        try:
            key, current = load_key(self.deployment.key_file), self._programs.read_all()
        except PermissionError:
            return frozenset()
        if key is None:
            return frozenset()
        known = [settings for settings in watchers if settings.name in current]
        texts = {settings.name: self._wanted.text(settings, key) for settings in known}
        return frozenset(name for name, text in texts.items() if not same_worker(current[name], text))

    def _with_started(self, changes: ConfigChanges, known: Mapping[str, Process]) -> ConfigChanges:
        added = [name for name in changes.added if name not in self.disabled]
        changed = [name for name in changes.changed if known[name].state != "STOPPED"]
        return replace(changes, started=tuple(sorted((*added, *changed))))

    def _carry_out(self, changes: ConfigChanges, texts: Mapping[str, str]) -> None:
        """Carry out the changes. Files are written after the old workers have gone, so that the next apply can finish a cut one."""
        self._share()
        restarted = sorted(set(changes.changed) & set(changes.started))
        self._programs.verify(texts)
        self.supervisord.stop([*restarted, *changes.removed])
        for name in changes.removed:
            self.supervisord.remove(name)
            self._programs.remove(name)
            self.disabled.discard(name)
        self._replace({name: texts[name] for name in (*changes.added, *restarted)})
        self._programs.write({name: texts[name] for name in changes.changed})
        self._start_disabled(restarted)

    def enable(self, names: Iterable[str]) -> None:
        """Let watchers start with supervisord and with `start --all`. Starts nothing."""
        self._mark(names, autostart=True)

    def disable(self, names: Iterable[str]) -> None:
        """Keep watchers from starting with supervisord and with `start --all`. Stops nothing."""
        self._mark(names, autostart=False)

    def _mark(self, names: Iterable[str], *, autostart: bool) -> None:
        with self._lock():
            texts = self._programs.read_all()
            for name in names:
                if name in texts:
                    self._programs.write({name: with_autostart(texts[name], autostart)})
                (self.disabled.discard if autostart else self.disabled.add)(name)

    def down(self) -> bool:
        """Stop every worker and supervisord, and wait until they are gone. Returns False if nothing was running."""
        if not self.deployment.run_dir.exists():
            return launch.shut_down(self.deployment)  # of a moved run/, which can be put back as long as none is in its place
        with self._lock():
            return launch.shut_down(self.deployment)

    def _share(self) -> None:
        """Let the group of agent.toml read. Where that fails, the watchers start all the same."""
        if self.agent.settings:
            try:
                share(self.deployment, self.agent.settings.group)
            except FleetError as error:
                self.not_shared = error

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold the fleet's lock, so that nobody else changes the fleet. A full or read-only disk becomes a FleetError."""
        try:
            launch.prepare(self.deployment)
            with fleet_lock(self.deployment.fleet_lock_file):
                yield
        except OSError as error:
            if error.errno not in DISK_REFUSES:
                raise
            place = quote(str(self.deployment.run_dir))
            raise FleetError(
                f"cannot write to {error.filename or self.deployment.run_dir}: {error.strerror}",
                hint=f"make space: df -h {place}; df -i {place}",
            ) from error
