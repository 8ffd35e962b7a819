"""Operations on a fleet: start, stop, restart, apply, enable, disable, down.

An operation affects only the watchers it names. `run/programs/` holds only the watchers that were asked to run since supervisord
started, so starting one never starts another. The agent, if it is wanted, starts along with the first watcher.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from watcher.config.agent_settings import AgentSettings, LoadedAgent
from watcher.config.deployment import Deployment
from watcher.config.files.conf_dir import AGENT
from watcher.config.settings import Settings
from watcher.fleet import launch
from watcher.fleet.digest import load_key, load_or_make_key, settings_digest
from watcher.fleet.errors import DISK_REFUSES, FleetError
from watcher.fleet.files import DisabledMarks, ProgramFiles
from watcher.fleet.formats import FormatChange, format_changes, format_comment
from watcher.fleet.lock import fleet_lock
from watcher.fleet.programs import Program, render, same_worker, with_autostart
from watcher.fleet.sharing import share
from watcher.fleet.supervisord import Process, Supervisord
from watcher.fleet.watched import newly_watched, watched_comment

CommandOf = Callable[[str], tuple[str, ...]]
T = TypeVar("T")
Tell = Callable[[str, Settings], Sequence[T]]

AGENT_START_SECONDS = 5
"""An agent that ends sooner is broken. Restarting it again and again without a pause would take CPU time from the workers."""


@dataclass(frozen=True, slots=True)
class ConfigChanges:
    """Differences between `conf.d/` and what supervisord runs, as sorted names. `started` are those that `apply` starts.
    `admitted` holds the collections that changed watchers watch newly, and `formats` what they write in another way, as far as that
    is known."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]
    started: tuple[str, ...] = ()
    admitted: Mapping[str, Sequence[str]] = field(default_factory=dict)
    formats: Mapping[str, Sequence[FormatChange]] = field(default_factory=dict)


def compare(
    wanted: Mapping[str, str], current: Mapping[str, str], known: Collection[str], faulty: Collection[str] = ()
) -> ConfigChanges:
    """Compare the wanted program texts with the current ones. A faulty watcher is neither removed nor changed: it keeps running."""
    both = wanted.keys() & set(known)
    changed = {name for name in both if not same_worker(current.get(name, ""), wanted[name])}
    return ConfigChanges(
        added=tuple(sorted(wanted.keys() - set(known))),
        changed=tuple(sorted(changed)),
        removed=tuple(sorted(set(known) - wanted.keys() - set(faulty))),
        unchanged=tuple(sorted(both - changed)),
    )


def _told(
    tell: Tell[T], watchers: Iterable[Settings], changed: Collection[str], current: Mapping[str, str]
) -> dict[str, Sequence[T]]:
    """Remarks of `tell` about each changed watcher, by its program and its settings, where it says anything."""
    told = {each.name: tell(current.get(each.name, ""), each) for each in watchers if each.name in changed}
    return {name: found for name, found in told.items() if found}


def worker_command(deployment: Deployment) -> CommandOf:
    """The command that supervisord runs for each watcher. It holds names and paths, never settings."""
    places = _places(deployment)
    return lambda name: (sys.executable, "-m", "watcher", "run", name, *places)


def agent_command(deployment: Deployment) -> tuple[str, ...]:
    """The command that supervisord runs for the agent."""
    return (sys.executable, "-m", "watcher", "agent", *_places(deployment))


def fleet_command(deployment: Deployment) -> tuple[str, ...]:
    """The command that runs supervisord, and by it the whole fleet, in the foreground."""
    return (sys.executable, "-m", "watcher", "run", *_places(deployment))


def _places(deployment: Deployment) -> tuple[str, ...]:
    return ("--config", str(deployment.conf_dir), "--state-dir", str(deployment.state_dir))


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
        self._command_of = command_of or worker_command(deployment)

    def start(self, watchers: Iterable[Settings]) -> None:
        """Start the watchers that do not run yet, and supervisord first if necessary. Does not wait for the workers."""
        with self._lock():
            self._share()
            texts = self._render(watchers)
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
            self._write_exactly(self._render(watchers))

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
            self._programs.verify(self._render(watchers))

    def apply(self, watchers: Iterable[Settings], faulty: Collection[str] = (), *, dry_run: bool = False) -> ConfigChanges:
        """Make supervisord run what conf.d says. Only watchers that differ are affected; those stopped by hand stay stopped."""
        with self._lock():
            known, watchers = self.supervisord.processes(), tuple(watchers)
            texts, current = self._render(watchers), self._programs.read_all()
            untouched = [*faulty, AGENT] if self.agent.faults else faulty
            changes = self._with_started(compare(texts, current, known, untouched), known)
            changes = replace(
                changes,
                admitted=_told(newly_watched, watchers, changes.changed, current),
                formats=_told(format_changes, watchers, changes.changed, current),
            )
            if not dry_run:
                self._carry_out(changes, texts)
        return changes

    def formats_of(self, watchers: Iterable[Settings]) -> dict[str, Sequence[FormatChange]]:
        """Return what watchers would write in another way than when they last started, by name."""
        current = self._programs.read_all()
        return _told(format_changes, watchers, current.keys(), current)

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
        texts = {settings.name: render(self._program(settings, key)) for settings in known}
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

    def _render(self, watchers: Iterable[Settings]) -> dict[str, str]:
        key = load_or_make_key(self.deployment.key_file)
        programs = [self._program(settings, key) for settings in watchers]
        if wanted := self.agent.wanted:
            programs.append(self._agent_program(wanted, key))
        return {program.name: render(program) for program in programs}

    def _program(self, settings: Settings, key: bytes) -> Program:
        return Program(
            name=settings.name,
            command=self._command_of(settings.name),
            log_file=self.deployment.log_file(settings.name),
            settings_digest=settings_digest(settings, key),
            autostart=settings.name not in self.disabled,
            comments=(watched_comment(settings), format_comment(settings)),
        )

    def _agent_program(self, settings: AgentSettings, key: bytes) -> Program:
        return Program(
            name=AGENT,
            command=agent_command(self.deployment),
            log_file=self.deployment.log_file(AGENT),
            settings_digest=settings_digest(settings, key),
            start_seconds=AGENT_START_SECONDS,
        )

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
            raise FleetError(
                f"cannot write to {error.filename or self.deployment.run_dir}: {error.strerror}",
                hint=f"make space: df -h {self.deployment.run_dir}; df -i {self.deployment.run_dir}",
            ) from error
