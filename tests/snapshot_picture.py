"""docs/images/snapshot.svg from the text below. `python -m tests.snapshot_picture` writes it anew; a test holds it to that."""

from __future__ import annotations

from pathlib import Path

from tests.architecture_picture import Arrow, Box, svg

FILE = Path(__file__).parents[1] / "docs" / "images" / "snapshot.svg"
TITLE = "A reply of the change stream is cut before its last events, and a chunk of a collection is read as of the time of the cut"

BOXES = (
    Box("one reply of the change stream", 20, 20, 920, 90, (), "frame"),
    Box("update B", 40, 50, 150, 48, ("time 5",), "outside"),
    Box("delete F", 210, 50, 150, 48, ("time 7",), "outside"),
    Box("update C", 600, 50, 150, 48, ("time 9",), "outside"),
    Box("insert G", 770, 50, 150, 48, ("time 9",), "outside"),
    Box("the collection as of T = 8", 370, 150, 220, 108, ("A", "B: came whole in this reply", "C", "D")),
    Box("first transaction", 20, 300, 560, 90, (), "frame"),
    Box("update B", 40, 330, 95, 48, ("event",), "outside"),
    Box("delete F", 145, 330, 95, 48, ("event",), "outside"),
    Box("A, C, D", 250, 330, 110, 48, ("documents",)),
    Box("position, progress", 370, 330, 190, 48, ("after F; next after D",)),
    Box("second transaction", 600, 300, 340, 90, (), "frame"),
    Box("update C", 615, 330, 95, 48, ("event",), "outside"),
    Box("insert G", 720, 330, 90, 48, ("event",), "outside"),
    Box("position", 820, 330, 105, 48, ("after G",)),
)

ARROWS = (
    Arrow(((480, 60), (480, 148)), "the cut, T = 8", (490, 80)),
    Arrow(((115, 98), (115, 298))),
    Arrow(((285, 98), (190, 298))),
    Arrow(((400, 258), (320, 328)), "without B", (385, 288)),
    Arrow(((675, 98), (675, 298))),
    Arrow(((845, 98), (760, 298))),
)


def drawn() -> str:
    """The whole picture, as SVG."""
    return svg(TITLE, (960, 410), BOXES, ARROWS)


if __name__ == "__main__":
    FILE.write_text(drawn(), encoding="utf-8")
