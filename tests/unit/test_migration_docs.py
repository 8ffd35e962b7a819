"""The pages about migrations: the mapping is one, and the commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from watcher.cli import watcherctl
from watcher.verification.mapping import load_mapping
from watcher.verification.normalizing import old_told, our_told

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / f"{name}.md" for name in ("migration", "migration-from-debezium", "migration-from-mongodb-connector")]
TEXT = PAGES[0].read_text(encoding="utf-8")
COMMANDS = [
    line for page in PAGES for line in re.findall(r"(?:^|`) *watcherctl ([^`#\n]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
]


def test_the_mapping_fits_the_old_messages_and_ours(tmp_path: Path) -> None:
    (mapping_text,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "users.toml").write_text(mapping_text)
    topics = load_mapping(tmp_path / "users.toml").topics
    old = {
        "user.created": {"user": {"_id": "65", "name": "Ada", "email": "ada@example.org"}},
        "user.updated": {"userId": "65", "changes": {"name": "Ada L."}},
    }
    row = {"collection": "users", "documentKey": {"_id": "65"}, "timestamp": "2024-01-01T12:00:00.000Z"}
    ours = [
        {**row, "operationType": "insert", "fullDocument": {"_id": "65", "name": "Ada", "email": "ada@example.org"}},
        {**row, "operationType": "update", "updateDescription": {"updatedFields": {"name": "Ada L."}}},
    ]
    told = [old_told(topic, topics[topic], None, value, 1_704_110_400_000) for topic, value in old.items()]
    assert told == [each._replace(ours=0) for message in ours for each in our_told(topics, message, 1)]


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_can_be_given(line: str) -> None:
    """Names and options are parsed, and nothing is run."""
    words = shlex.split(line)
    context = click.Context(watcherctl)
    command = watcherctl.get_command(context, words[0])
    assert command is not None
    command.make_context(words[0], words[1:], parent=context)


def test_the_commands_are_found() -> None:
    assert len(COMMANDS) > 24
