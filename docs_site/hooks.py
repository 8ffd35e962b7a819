"""Additions to MkDocs: its navigation is docs/README.md, and files outside docs/ that pages link are in the site too.

MkDocs calls the functions named `on_…`. Of the files outside docs/ a Markdown file is a page, a directory a list of its files, and
any other file is in the site as it is.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

from docs_site.links import DOCS, INDEX, ROOT, with_links
from docs_site.navigation import navigation
from docs_site.outside import OUTSIDE, in_the_site, linked

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


def _file(path: Path, config: MkDocsConfig) -> File:
    name = path.relative_to(ROOT).as_posix()
    included = InclusionLevel.INCLUDED if name in PROJECT_PAGES else InclusionLevel.NOT_IN_NAV
    if path.is_dir():
        children = "".join(f"* [{child.name}]({child.name})\n" for child in sorted(path.iterdir()) if child.is_file())
        return File.generated(config, f"{OUTSIDE}/{name}/index.md", content=f"# {name}\n\n{children}", inclusion=included)
    return File.generated(config, f"{OUTSIDE}/{name}", abs_src_path=str(path), inclusion=included)


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Let links lead where the site has their files."""
    return with_links(markdown, partial(in_the_site, page.file.src_uri))
