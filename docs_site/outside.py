"""Files of the repository outside docs/ that pages link: in the site they have their own path below `repository/`."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path

from docs_site.links import DOCS, ROOT, relative_links

OUTSIDE = "repository"
STARTER = ROOT / "watcher" / "starter"


def linked(path: Path) -> Iterator[Path]:
    """Yield the files and directories that a Markdown file links, and the files in a directory."""
    if path.is_dir():
        yield from (child for child in path.iterdir() if child.is_file())
    elif path.suffix == ".md":
        for link in relative_links(path.read_text(encoding="utf-8")):
            if target := link.partition("#")[0]:
                yield _shown(path.parent / target)


def in_the_site(uri: str, link: str) -> str:
    """Return the link of a page, which is at `uri` in the site, as it must be there."""
    target, hash_, anchor = link.partition("#")
    if not target:
        return link
    path = _shown(_path(uri).parent / target)
    if path.is_relative_to(DOCS):
        there = path.relative_to(DOCS).as_posix()
    else:
        there = f"{OUTSIDE}/{path.relative_to(ROOT).as_posix()}" + ("/index.md" if path.is_dir() else "")
    return posixpath.relpath(there, posixpath.dirname(uri) or ".") + hash_ + anchor


def _shown(path: Path) -> Path:
    """Resolve the path. A checkout is a deployment too: what its owner edits, with passwords, is as `watcherctl init` writes it."""
    path = path.resolve()
    committed = STARTER / path.relative_to(ROOT)
    return committed if committed.exists() else path


def _path(uri: str) -> Path:
    outside = uri.removeprefix(f"{OUTSIDE}/")
    return DOCS / uri if outside == uri else ROOT / outside
