"""What the repository says about itself: links, paths, the changelog."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import watcher

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

LINK = re.compile(r"\]\(\s*<?([^)\s>]+)|(?:src|href)=\"([^\"]+)\"")
ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:|#", re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w.}-])/(?:work|root|home|Users)/\w")


def relative_links(text: str) -> list[str]:
    """The targets of Markdown links, images and HTML attributes that point into the repository, without their anchors."""
    targets = (markdown or html for markdown, html in LINK.findall(text))
    return [target.partition("#")[0] for target in targets if not ELSEWHERE.match(target)]


def repository_files() -> list[Path]:
    """Every file that is committed or about to be: what git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split("\0")
    return [path for path in (ROOT / name for name in names if name) if path.is_file()]


def test_relative_links_are_found() -> None:
    text = '[a](docs/a.md#top) ![b](b.svg "title") [c](https://x.org/c) [d](#d) <img src="e.png"> [f](<f.md>) [g](mailto:g@x.org)'
    assert relative_links(text) == ["docs/a.md", "b.svg", "e.png", "f.md"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_relative_link_points_at_a_file(document: Path) -> None:
    links = relative_links(document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("user", ["root", "home", "work", "Users"])
def test_a_path_of_one_machine_is_found(user: str) -> None:
    assert MACHINE_PATH.search(f'cd "/{user}/someone"')
    assert not MACHINE_PATH.search(f"https://example.org/{user}/someone or ./{user}/someone")


def test_no_file_names_a_path_of_one_machine() -> None:
    found = [path for path in repository_files() if MACHINE_PATH.search(path.read_bytes().decode("utf-8", "ignore"))]
    assert [path.relative_to(ROOT).as_posix() for path in found] == []


def test_changelog_has_the_current_version_or_unreleased_changes() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings
    assert headings[0] in {"Unreleased", watcher.__version__}
