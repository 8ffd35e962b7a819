"""The documentation as a site: links and anchors, and a place for every page. `make docs` builds it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from docs_site import links
from docs_site.links import DOCS, DOCUMENTS, INDEX, ROOT, anchors, broken_links, leads_somewhere, relative_links, with_links
from docs_site.navigation import navigation
from docs_site.outside import STARTER, in_the_site, linked

PAGE_SUFFIXES = {".md", ".yaml", ".json"}


def test_relative_links_are_found() -> None:
    text = (
        '[a](docs/a.md#top) ![b](b.svg "title") [c](https://x.org/c) [d](#d) <img src="e.png"> <source srcset="g.png"> '
        "[f](<f.md>) [g](mailto:g@x.org)"
    )
    assert relative_links(text) == ["docs/a.md#top", "b.svg", "#d", "e.png", "g.png", "f.md"]


def test_links_are_changed_but_for_those_elsewhere_and_in_code() -> None:
    text = '[a](a.md#top) ![b](b.svg "title") [c](https://x.org/c)\n```md\n[d](d.md)\n```\n<img src="e.png">\n'
    changed = text.replace("a.md#top", "A.MD#TOP").replace("b.svg", "B.SVG").replace("e.png", "E.PNG")
    assert with_links(text, str.upper) == changed


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


def test_the_check_fails_where_a_link_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.md").write_text("[a](a.md)")
    (tmp_path / "b.md").write_text("[c](c.md)")
    monkeypatch.setattr(links, "ROOT", tmp_path)
    monkeypatch.setattr(links, "DOCUMENTS", [tmp_path / "a.md"])
    assert (links.main(), capsys.readouterr().out) == (0, "")
    monkeypatch.setattr(links, "DOCUMENTS", [tmp_path / "b.md"])
    assert (links.main(), capsys.readouterr().out) == (1, "b.md: c.md leads nowhere\n")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_relative_link_and_anchor_leads_somewhere(document: Path) -> None:
    assert broken_links(document) == []


def test_the_index_lists_every_page_once() -> None:
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*") if path.suffix in PAGE_SUFFIXES}
    listed = [link for link in relative_links(INDEX.read_text(encoding="utf-8")) if not link.startswith("../")]
    assert sorted(listed) == sorted(pages - {INDEX.name})


def test_the_navigation_has_the_sections_and_pages_of_the_index() -> None:
    index = (
        "# Docs\n\n## How-to\n\n* [a](a.md): text\n  of it\n* [outside](../b.md#c): no page of docs/\n\n"
        "### Runbooks\n\n* [r](r/r.md)\n\n## Reference\n\n* [c](c.md) and [schema](c.json)\n* [d](d.json)\n"
    )
    assert navigation(index) == [
        {"How-to": ["a.md", {"Runbooks": ["r/r.md"]}]},
        {"Reference": ["c.md"]},
    ]


def test_every_page_has_one_place_in_the_navigation() -> None:
    placed = list(_pages(navigation(INDEX.read_text(encoding="utf-8"))))
    assert sorted(placed) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if path != INDEX)


def _pages(entries: object) -> Iterator[str]:
    if isinstance(entries, str):
        yield entries
    elif isinstance(entries, (list, dict)):
        for entry in entries.values() if isinstance(entries, dict) else entries:
            yield from _pages(entry)


@pytest.mark.parametrize(
    ("page", "link", "there"),
    [
        ("consumer.md", "formats.md#headers", "formats.md#headers"),
        ("consumer.md", "#order", "#order"),
        ("runbooks/WatcherDown.md", "../position.md", "../position.md"),
        ("consumer.md", "../examples/profession_service.py", "repository/examples/profession_service.py"),
        ("monitoring.md", "../monitoring/", "repository/monitoring/index.md"),
        ("repository/README.md", "docs/consumer.md#order", "../consumer.md#order"),
        ("repository/README.md", "CHANGELOG.md", "CHANGELOG.md"),
        ("repository/examples/node/README.md", "../../docs/migration.md", "../../../migration.md"),
    ],
)
def test_links_lead_to_the_same_file_in_the_site(page: str, link: str, there: str) -> None:
    assert in_the_site(page, link) == there


def test_what_the_owner_of_a_checkout_edits_is_not_in_the_site() -> None:
    """`conf.d/` and the Compose file may hold passwords: the site has those of `watcherctl init`."""
    assert in_the_site("deploying.md", "../docker-compose.yml") == "repository/watcher/starter/docker-compose.yml"
    assert in_the_site("deploying.md", "../conf.d") == "repository/watcher/starter/conf.d/index.md"
    assert STARTER / "docker-compose.yml" in linked(DOCS / "deploying.md")
