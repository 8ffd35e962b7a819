"""Additions to MkDocs: its navigation is docs/README.md, and files outside docs/ that pages link are in the site too.

MkDocs calls the functions named `on_…`. A file outside docs/ has its own path below `repository/` in the site: a Markdown file as a
page, a directory as a list of its files, any other file as it is.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

from docs_site.links import DOCS, INDEX, ROOT, relative_links, with_links
from docs_site.navigation import navigation

OUTSIDE = "repository"
PROJECT_PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take the navigation from the index, and after it the files about the project itself."""
    project = [f"{OUTSIDE}/{name}" for name in PROJECT_PAGES]
    config.nav = [{"Start": [INDEX.name]}, *navigation(INDEX.read_text(encoding="utf-8")), {"Project": project}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside docs/ that pages link, and those that these link in turn."""
    found: set[Path] = set()
    waiting = [*DOCS.rglob("*.md"), *(ROOT / name for name in PROJECT_PAGES)]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        waiting += linked(path)
    for path in sorted(found):
        if not path.is_relative_to(DOCS):
            files.append(_file(path, config))
    return files


def linked(path: Path) -> Iterator[Path]:
    """Yield the files and directories that a Markdown file links, and those in a directory."""
    if path.is_dir():
        yield from (child for child in path.iterdir() if child.is_file())
    elif path.suffix == ".md":
        for link in relative_links(path.read_text(encoding="utf-8")):
            if target := link.partition("#")[0]:
                yield (path.parent / target).resolve()


def _file(path: Path, config: MkDocsConfig) -> File:
    name = path.relative_to(ROOT).as_posix()
    included = InclusionLevel.INCLUDED if name in PROJECT_PAGES else InclusionLevel.NOT_IN_NAV
    if path.is_dir():
        children = "".join(f"* [{child.name}]({child.name})\n" for child in sorted(path.iterdir()) if child.is_file())
        return File.generated(config, f"{OUTSIDE}/{name}/index.md", content=f"# {name}\n\n{children}", inclusion=included)
    return File.generated(config, f"{OUTSIDE}/{name}", abs_src_path=str(path), inclusion=included)


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Let links lead where the site has their files."""
    return with_links(markdown, partial(_in_the_site, page.file.src_uri))


def _in_the_site(uri: str, link: str) -> str:
    target, hash_, anchor = link.partition("#")
    if not target:
        return link
    path = (_path(uri).parent / target).resolve()
    if path.is_relative_to(DOCS):
        there = path.relative_to(DOCS).as_posix()
    else:
        there = f"{OUTSIDE}/{path.relative_to(ROOT).as_posix()}" + ("/index.md" if path.is_dir() else "")
    return posixpath.relpath(there, posixpath.dirname(uri) or ".") + hash_ + anchor


def _path(uri: str) -> Path:
    outside = uri.removeprefix(f"{OUTSIDE}/")
    return DOCS / uri if outside == uri else ROOT / outside
