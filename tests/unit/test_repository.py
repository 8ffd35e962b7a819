"""Statements of the repository about itself: links, paths, the changelog."""

from __future__ import annotations

import itertools
import re
import subprocess
from datetime import date
from pathlib import Path

import pytest

import watcher

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "examples" / "node" / "README.md"])
INDEX = ROOT / "docs" / "README.md"
PAGE_SUFFIXES = {".md", ".yaml", ".json"}
DECISION = re.compile(r"\* \*\*D(\d+)\*\* · (\d{4}-\d{2}-\d{2}) · \*\*\S")

LINK = re.compile(r"\]\(\s*<?([^)\s>]+)|(?:src|href)=\"([^\"]+)\"")
ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:", re.IGNORECASE)
FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
MACHINE_PATH = re.compile(r"(?<![\w.}-])/(?:work|root|home|Users)/\w")


def relative_links(text: str) -> list[str]:
    """The targets of Markdown links, images and HTML attributes that point into the repository, with their anchors."""
    targets = (markdown or html for markdown, html in LINK.findall(text))
    return [target for target in targets if not ELSEWHERE.match(target)]


def anchors(text: str) -> set[str]:
    """The anchors of the headings, as GitHub makes them: the second of the same name ends with -1."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", FENCED.sub("", text), re.MULTILINE):
        words = re.sub(r"\]\([^)]*\)", "", heading).lower()
        anchor = re.sub(r"[^\w -]", "", words).replace(" ", "-")
        names = itertools.chain([anchor], (f"{anchor}-{number}" for number in itertools.count(1)))
        found.add(next(name for name in names if name not in found))
    return found


def leads_somewhere(document: Path, link: str) -> bool:
    """True if the file exists and, should the link have an anchor, a heading of that name in it."""
    name, _, anchor = link.partition("#")
    target = document.parent / name if name else document
    if not anchor:
        return target.exists()
    return target.suffix == ".md" and target.is_file() and anchor in anchors(target.read_text(encoding="utf-8"))


def repository_files() -> list[Path]:
    """Every file that is committed or about to be: what git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split("\0")
    return [path for path in (ROOT / name for name in names if name) if path.is_file()]


def test_relative_links_are_found() -> None:
    text = '[a](docs/a.md#top) ![b](b.svg "title") [c](https://x.org/c) [d](#d) <img src="e.png"> [f](<f.md>) [g](mailto:g@x.org)'
    assert relative_links(text) == ["docs/a.md#top", "b.svg", "#d", "e.png", "f.md"]


def test_anchors_are_those_of_github() -> None:
    text = (
        "# `watcherctl status --json`\n```sh\n# no heading\n```\n## [Row](a.md) changes\n"
        "## Über `$out`, twice \n## Über `$out`, twice\n"
    )
    assert anchors(text) == {"watcherctl-status---json", "row-changes", "über-out-twice", "über-out-twice-1"}


def test_links_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# One\n")
    (tmp_path / "a.png").touch()
    good, bad = ("a.md", "a.md#one", "#one", "a.png"), ("b.md", "a.md#two", "#two", "a.png#one", "b.md#one")
    assert [link for link in (*good, *bad) if leads_somewhere(tmp_path / "a.md", link)] == list(good)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_relative_link_and_anchor_leads_somewhere(document: Path) -> None:
    links = relative_links(document.read_text(encoding="utf-8"))
    assert [link for link in links if not leads_somewhere(document, link)] == []


def test_the_index_lists_every_page_once() -> None:
    pages = {path.relative_to(INDEX.parent).as_posix() for path in INDEX.parent.rglob("*") if path.suffix in PAGE_SUFFIXES}
    listed = [link for link in relative_links(INDEX.read_text(encoding="utf-8")) if not link.startswith("../")]
    assert sorted(listed) == sorted(pages - {INDEX.name})


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
