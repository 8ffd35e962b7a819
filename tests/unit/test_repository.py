"""Statements of the repository about itself: paths, decisions, the changelog."""

from __future__ import annotations

import re
import subprocess
from datetime import date
from pathlib import Path

import pytest

import watcher

ROOT = Path(__file__).parents[2]
DECISION = re.compile(r"\* \*\*D(\d+)\*\* · (\d{4}-\d{2}-\d{2}) · \*\*\S")

MACHINE_PATH = re.compile(r"(?<![\w.}-])/(?:work|root|home|Users)/\w")


def repository_files() -> list[Path]:
    """Every file that is committed or about to be: what git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split("\0")
    return [path for path in (ROOT / name for name in names if name) if path.is_file()]


@pytest.mark.parametrize("user", ["root", "home", "work", "Users"])
def test_a_path_of_one_machine_is_found(user: str) -> None:
    assert MACHINE_PATH.search(f'cd "/{user}/someone"')
    assert not MACHINE_PATH.search(f"https://example.org/{user}/someone or ./{user}/someone")


def test_no_file_names_a_path_of_one_machine() -> None:
    found = [path for path in repository_files() if MACHINE_PATH.search(path.read_bytes().decode("utf-8", "ignore"))]
    assert [path.relative_to(ROOT).as_posix() for path in found] == []


def test_every_decision_has_an_id_of_its_own_and_a_date() -> None:
    """Ids are given out in turn, without a gap; a new entry may stand anywhere."""
    text = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    entries = [line for line in text.splitlines() if line.startswith("* ")]
    found = [match for match in map(DECISION.match, entries) if match]
    assert [entry for entry in entries if not DECISION.match(entry)] == []
    assert sorted(int(match[1]) for match in found) == list(range(1, len(entries) + 1))
    assert all(date.fromisoformat(match[2]) for match in found)


def test_changelog_has_the_current_version_or_unreleased_changes() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings
    assert headings[0] in {"Unreleased", watcher.__version__}
