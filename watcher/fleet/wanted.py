"""Programs that the settings of a fleet ask for, as supervisord's text."""

from __future__ import annotations

from collections.abc import Iterable

from watcher.config.agent_settings import AgentSettings
from watcher.config.deployment import Deployment
from watcher.config.files.conf_dir import AGENT
from watcher.config.settings import Settings
from watcher.fleet.changes.digest import load_or_make_key, settings_digest
from watcher.fleet.changes.formats import format_comment
from watcher.fleet.changes.watched import watched_comment
from watcher.fleet.commands import CommandOf, agent_command
from watcher.fleet.files import DisabledMarks
from watcher.fleet.programs import AGENT_START_SECONDS, Program, render


class WantedPrograms:
    """The programs of one deployment: its watchers', and the `agent`'s if there is to be one. `disabled` names the watchers that do
    not start with supervisord."""

    def __init__(self, deployment: Deployment, agent: AgentSettings | None, command_of: CommandOf, disabled: DisabledMarks) -> None:
        self._deployment = deployment
        self._agent = agent
        self._command_of = command_of
        self._disabled = disabled

    def texts(self, watchers: Iterable[Settings]) -> dict[str, str]:
        """Make the text of each watcher's program and of the agent's, by their names."""
        key = load_or_make_key(self._deployment.key_file)
        texts = {settings.name: self.text(settings, key) for settings in watchers}
        return {**texts, AGENT: self._agent_text(self._agent, key)} if self._agent else texts

    def text(self, settings: Settings, key: bytes) -> str:
        """Make the text of one watcher's program; its digest is made with `key`."""
        return render(
            Program(
                name=settings.name,
                command=self._command_of(settings.name),
                log_file=self._deployment.log_file(settings.name),
                settings_digest=settings_digest(settings, key),
                autostart=settings.name not in self._disabled,
                comments=(watched_comment(settings), format_comment(settings)),
            )
        )

    def _agent_text(self, settings: AgentSettings, key: bytes) -> str:
        return render(
            Program(
                name=AGENT,
                command=agent_command(self._deployment),
                log_file=self._deployment.log_file(AGENT),
                settings_digest=settings_digest(settings, key),
                start_seconds=AGENT_START_SECONDS,
            )
        )
