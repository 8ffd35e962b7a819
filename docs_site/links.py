"""The links of all Markdown files in the repository. `python -m docs_site.links` lists those that lead nowhere.

A link may name a file or a directory of the repository, and an anchor on a Markdown page, as GitHub makes anchors. Addresses of the
web are not looked at: no network is needed.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
INDEX = DOCS / "README.md"
BESIDES = [path for part in ("clients", "examples") for path in (ROOT / part).rglob("*.md") if "node_modules" not in path.parts]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *BESIDES])

LINK = re.compile(r"(?P<before>\]\(\s*<?|(?:src|href|srcset)=\")(?P<target>[^)\s>\"]+)")
ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:", re.IGNORECASE)
FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)


def relative_links(text: str) -> list[str]:
    """Return the targets of Markdown links, images and HTML attributes that point into the repository, with their anchors."""
    return [found["target"] for found in LINK.finditer(text) if not ELSEWHERE.match(found["target"])]


def with_links(text: str, change: Callable[[str], str]) -> str:
    """Return `text` with each relative link changed, but for those in fenced code."""
    code = [found.span() for found in FENCED.finditer(text)]

    def changed(found: re.Match[str]) -> str:
        target = found["target"]
        if ELSEWHERE.match(target) or any(start <= found.start() < end for start, end in code):
            return found[0]
        return found["before"] + change(target)

    return LINK.sub(changed, text)


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them: the second of the same name ends with -1."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", FENCED.sub("", text), re.MULTILINE):
        words = re.sub(r"\]\([^)]*\)", "", heading).lower()
        anchor = re.sub(r"[^\w -]", "", words).replace(" ", "-")
        names = itertools.chain([anchor], (f"{anchor}-{number}" for number in itertools.count(1)))
        found.add(next(name for name in names if name not in found))
    return found


def leads_somewhere(document: Path, link: str) -> bool:
    """Return whether the file exists and, should the link have an anchor, a heading of that name is in it."""
    name, _, anchor = link.partition("#")
    target = document.parent / name if name else document
    if not anchor:
        return target.exists()
    return target.suffix == ".md" and target.is_file() and anchor in anchors(target.read_text(encoding="utf-8"))


def broken_links(document: Path) -> list[str]:
    """Return the links of the page that lead nowhere."""
    return [link for link in relative_links(document.read_text(encoding="utf-8")) if not leads_somewhere(document, link)]


def main() -> int:
    """Print the broken links of all documents; return the exit code."""
    broken = [(document, link) for document in DOCUMENTS for link in broken_links(document)]
    for document, link in broken:
        print(f"{document.relative_to(ROOT)}: {link} leads nowhere")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
