"""An extension of Python-Markdown that takes two spaces for an indentation, where it wants four, as GitHub does."""

from markdown import Extension, Markdown
from markdown.blockprocessors import CodeBlockProcessor, ListIndentProcessor, OListProcessor, UListProcessor

SPACES = 2
PROCESSORS = {
    "indent": (ListIndentProcessor, 90),
    "code": (CodeBlockProcessor, 80),
    "olist": (OListProcessor, 40),
    "ulist": (UListProcessor, 30),
}
"""The parts of Python-Markdown that ask for the indentation when they are made, by their names and priorities there."""


class TwoSpaces(Extension):
    """A fenced block or a second paragraph in a list begins under the text of its item."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 -- Python-Markdown's name
        """Replace what has looked at the indentation already."""
        md.tab_length = SPACES
        for name, (processor, priority) in PROCESSORS.items():
            md.parser.blockprocessors.register(processor(md.parser), name, priority)


def makeExtension(**options: object) -> Extension:  # noqa: N802 -- Python-Markdown's name
    """Make the extension, for mkdocs.yml."""
    return TwoSpaces(**options)
