"""The settings of the fleet's agent, from `conf.d/agent.toml`; without that file they are the defaults."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, SecretStr


class AgentSettings(BaseModel):
    """How the agent listens, and what it does by itself. `docs/configuration.md` says what each means."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = 8085
    token: SecretStr | None = None
    restart_hung_after_seconds: int = 0
