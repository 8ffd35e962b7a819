"""The agent in tests: most fleets do without it, which saves its start and keeps their ports apart."""

from __future__ import annotations

from pathlib import Path


def switch_off_agent(conf_dir: Path) -> None:
    """Let the fleet of `conf_dir` have no agent."""
    (conf_dir / "agent.toml").write_text("enabled = false\n")
