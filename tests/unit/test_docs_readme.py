"""Compares the documents on commands, settings, exit codes and messages with the code."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import click
import pytest

from watcher.cli import watcherctl
from watcher.cli.commands import COMMANDS
from watcher.cli.exit_codes import CliExitCode
from watcher.config import KEYS, Settings, load_env_file
from watcher.errors import ExitCode
from watcher.sandbox.binaries import INSTALL_HINT

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS_PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
EXIT_CODES_PAGE = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
MESSAGE_FORMAT = (ROOT / "docs" / "message-format.md").read_text(encoding="utf-8")

FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(watcherctl [a-z]+ [^`]+)`")
NAMED = re.compile(r"`watcherctl ([^\s`]+)`")
SHELL = {"bash", "console"}
LONGEST_README = 230


def blocks(text: str, *languages: str) -> list[str]:
    """The fenced code blocks in one of `languages`."""
    return [body for language, body in FENCED.findall(text) if language in languages]


def command_lines(text: str) -> list[str]:
    """Every `watcherctl …` that a reader may type, from shell blocks and from code in sentences."""
    lines = [line.removeprefix("$ ") for block in blocks(text, *SHELL) for line in block.splitlines()]
    return [line for line in [*lines, *INLINE.findall(FENCED.sub("", text))] if line.startswith("watcherctl ")]


def parse(line: str) -> None:
    """Parse as the shell and watcherctl would, without running anything. Raises click.ClickException."""
    _, *arguments = shlex.split(line, comments=True)
    root = click.Context(watcherctl, info_name="watcherctl")
    name, command, rest = watcherctl.resolve_command(root, arguments)
    assert command
    with command.make_context(name, rest, parent=root):
        pass


def table(text: str, heading: str) -> dict[str, list[str]]:
    """The rows of the one table of the section `heading`, by their first cell; without its heading."""
    section = re.split(r"^#+ ", text.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    (lines,) = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    rows = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines.splitlines()[2:]]
    return {row[0]: row[1:] for row in rows}


ALL_COMMAND_LINES = sorted({line for document in DOCUMENTS for line in command_lines(document.read_text(encoding="utf-8"))})


def test_command_lines_are_found() -> None:
    named = "`watcherctl` `watcherctl start` `watcherctl a e`\n"
    text = named + "```bash\nwatcherctl b --c   # why\nmake run\n```\n```console\n$ watcherctl d\nwatcherctl's output\n```\n"
    assert command_lines(text) == ["watcherctl b --c   # why", "watcherctl d", "watcherctl a e"]
    assert len(ALL_COMMAND_LINES) > 10


@pytest.mark.parametrize("line", ALL_COMMAND_LINES)
def test_command_line_is_understood(line: str) -> None:
    parse(line)


@pytest.mark.parametrize("line", ["watcherctl strat", "watcherctl start --al", "watcherctl completion tcsh", "watcherctl init a b"])
def test_a_wrong_command_line_is_found(line: str) -> None:
    with pytest.raises(click.ClickException):
        parse(line)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_that_sentences_name_exist(document: Path) -> None:
    assert set(NAMED.findall(document.read_text(encoding="utf-8"))) <= COMMANDS.keys()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_make_commands_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", document.read_text(encoding="utf-8"))) <= targets


def test_every_command_is_listed_in_the_order_of_help() -> None:
    assert list(table(COMMANDS_PAGE, "Commands of watcherctl")) == list(COMMANDS)


def test_the_settings_to_set_first_are_settings_with_their_defaults() -> None:
    """docs/configuration.md lists all of them, and test_config_docs.py holds it to that."""
    rows = table(README, "Settings")
    assert rows.keys() <= set(KEYS)
    assert {key: row[0] for key, row in rows.items()} == {
        field.name: default(field) for field in fields(Settings) if field.name in rows
    }


def test_every_required_setting_is_among_those_to_set_first() -> None:
    required = {field.name for field in fields(Settings) if field.name in KEYS and default(field) == "required"}
    assert required
    assert required <= table(README, "Settings").keys()


def default(field: Field[Any]) -> str:
    value = {} if field.default_factory is dict else field.default
    value = str(value).lower() if isinstance(value, bool) else value
    return "required" if value is MISSING else str(value) if value not in ("", (), {}) else ""


@pytest.mark.parametrize(
    ("heading", "codes"), [("Of a worker", ExitCode), ("Of watcherctl", CliExitCode)], ids=["worker", "watcherctl"]
)
def test_every_exit_code_is_listed(heading: str, codes: type[ExitCode] | type[CliExitCode]) -> None:
    assert [int(code) for code in table(EXIT_CODES_PAGE, heading)] == [int(code) for code in codes]


def test_the_env_file_is_good_as_it_stands(tmp_path: Path) -> None:
    (text,) = blocks(README, "env")
    (tmp_path / "dashboard.env").write_text(text)
    settings = load_env_file(tmp_path / "dashboard.env")
    assert (settings.database, settings.kafka_client_id, settings.batch_size) == ("dashboard", "database-watcher", 50)
    assert len(settings.watch_collections) == 6


def test_the_example_is_that_of_the_message_format() -> None:
    """The same fields in the same order; the document and the event's id may be shortened. The page has all kinds."""
    (example,) = map(json.loads, blocks(README, "json"))
    (whole,) = [m for m in map(json.loads, blocks(MESSAGE_FORMAT, "json")) if m["sequence"] == example["sequence"]]
    assert list(example) == list(whole)
    assert whole["eventId"].startswith(example["eventId"].removesuffix("…"))
    assert example["fullDocument"].items() <= whole["fullDocument"].items()
    for field in ("operationType", "documentKey", "timestamp"):
        assert example[field] == whole[field]


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= LONGEST_README


def test_the_hint_about_the_sandboxs_servers_is_what_the_readme_says() -> None:
    """The package is on no index, so its name alone installs nothing."""
    (command,) = re.findall(r"pip install '[^']+'", INSTALL_HINT)
    assert command in README
