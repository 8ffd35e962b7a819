"""docs/images/architecture.svg from the text below. `python -m tests.architecture_picture` writes it anew; a test holds it to that.

Colours are the viewer's own, so that one picture does for light and dark pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

FILE = Path(__file__).parents[1] / "docs" / "images" / "architecture.svg"
WIDTH, HEIGHT = 960, 500
STYLE = (
    "text{font:14px system-ui,sans-serif;fill:#1f2328}.small{font-size:12px;fill:#59636e}.name{font-weight:600}"
    "rect{fill:#fff;stroke:#59636e;rx:6}.frame{fill:none;stroke-dasharray:5 4}.outside{fill:#ddf4ff;stroke:#0969da}"
    "path{fill:none;stroke:#59636e;stroke-width:1.5;marker-end:url(#head)}#head path{fill:#59636e;stroke:none}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}rect{fill:#151b23;stroke:#9198a1}"
    ".frame{fill:none}.outside{fill:#0c2d4d;stroke:#4493f8}path{stroke:#9198a1}#head path{fill:#9198a1}}"
)


@dataclass(frozen=True)
class Box:
    """`lines` below the name; `kind` is a class of STYLE."""

    name: str
    x: int
    y: int
    width: int
    height: int
    lines: tuple[str, ...] = ()
    kind: str = ""


@dataclass(frozen=True)
class Arrow:
    """From one point to another, by way of corners; `label` at its first half."""

    points: tuple[tuple[int, int], ...]
    label: str = ""
    label_at: tuple[int, int] = (0, 0)


BOXES = (
    Box("MongoDB", 20, 60, 120, 90, ("change stream,", "one per watcher"), "outside"),
    Box("worker process: one for each watcher", 180, 20, 610, 220, (), "frame"),
    Box("mongodb/", 195, 60, 115, 90, ("reads, filters,", "joins")),
    Box("snapshot/", 326, 60, 105, 90, ("documents", "in between")),
    Box("stream/", 447, 60, 95, 90, ("the loop,", "loss policies")),
    Box("messages/", 558, 60, 105, 90, ("change event", "to message")),
    Box("kafka/", 679, 60, 98, 90, ("ownership,", "transactions")),
    Box("worker/", 195, 175, 582, 50, ("opens and stops all of it; writes run/<name>.json and run/<name>.prom",)),
    Box("Kafka", 810, 60, 130, 90, ("messages and", "position, in one", "transaction"), "outside"),
    Box("conf.d/", 20, 285, 120, 50, ("a file per watcher",), "outside"),
    Box("config/", 180, 285, 130, 50, ("settings, faults",)),
    Box("supervisord", 350, 285, 240, 50, ("starts a worker again when it dies",)),
    Box("watcherctl", 20, 370, 120, 50, ("cli/",)),
    Box("fleet/", 350, 370, 240, 50, ("supervisord, status, logs",)),
    Box("agent/", 630, 370, 140, 50, ("page, metrics",)),
    Box("consumer/", 810, 285, 130, 50, ("for your services",)),
    Box("verification/", 810, 370, 130, 50, ("proves it, by reading",)),
)

ARROWS = (
    Arrow(((140, 105), (193, 105))),
    Arrow(((310, 105), (324, 105))),
    Arrow(((431, 105), (445, 105))),
    Arrow(((542, 105), (556, 105))),
    Arrow(((663, 105), (677, 105))),
    Arrow(((777, 105), (808, 105))),
    Arrow(((875, 150), (875, 283))),
    Arrow(((470, 285), (470, 242))),
    Arrow(((470, 370), (470, 337))),
    Arrow(((140, 310), (178, 310))),
    Arrow(((310, 310), (348, 310))),
    Arrow(((140, 395), (348, 395))),
    Arrow(((630, 395), (592, 395))),
    Arrow(((700, 240), (700, 368)), "run/<name>.json", (710, 272)),
)


TITLE = "MongoDB's change stream goes through a worker into Kafka; supervisord and the fleet stand around it"


def drawn() -> str:
    """The whole picture, as SVG."""
    return svg(TITLE, (WIDTH, HEIGHT - 60), BOXES, ARROWS)


def svg(title: str, size: tuple[int, int], boxes: Iterable[Box], arrows: Iterable[Arrow]) -> str:
    """A picture of boxes and arrows; `size` is its width and height."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" role="img">',
            f"<title>{escape(title, quote=False)}</title>",
            f"<style>{STYLE}</style>",
            '<defs><marker id="head" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">',
            '<path d="M0 0 8 4 0 8Z"/></marker></defs>',
            *(part for box in boxes for part in _box(box)),
            *(part for arrow in arrows for part in _arrow(arrow)),
            "</svg>",
            "",
        ]
    )


def _box(box: Box) -> Iterator[str]:
    kind = f' class="{box.kind}"' if box.kind else ""
    yield f'<rect{kind} x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}"/>'
    yield f'<text class="name" x="{box.x + 10}" y="{box.y + 22}">{escape(box.name)}</text>'
    for number, line in enumerate(box.lines):
        yield f'<text class="small" x="{box.x + 10}" y="{box.y + 41 + 17 * number}">{escape(line)}</text>'


def _arrow(arrow: Arrow) -> Iterator[str]:
    yield f'<path d="M{" ".join(f"{x} {y}" for x, y in arrow.points)}"/>'
    if arrow.label:
        x, y = arrow.label_at
        yield f'<text class="small" x="{x}" y="{y}">{escape(arrow.label)}</text>'


if __name__ == "__main__":
    FILE.write_text(drawn(), encoding="utf-8")
