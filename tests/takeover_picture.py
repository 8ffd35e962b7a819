"""docs/images/takeover.svg from the text below. `python -m tests.takeover_picture` writes it anew; a test holds it to that."""

from __future__ import annotations

from pathlib import Path

from tests.architecture_picture import Arrow, Box, svg

FILE = Path(__file__).parents[1] / "docs" / "images" / "takeover.svg"
TITLE = "Host a fails; six seconds later Kafka's group gives the lease to host b, whose worker fences the first one and goes on"

BOXES = (
    Box("host a", 20, 20, 920, 90, (), "frame"),
    Box("active", 110, 45, 190, 52, ("messages, position",)),
    Box("killed, frozen, cut off", 330, 45, 210, 52, ("no heartbeats from here on",)),
    Box("standby", 790, 45, 135, 52, ("if it comes back",)),
    Box("Kafka", 20, 150, 920, 130, (), "outside"),
    Box("the lease's group", 110, 170, 190, 90, ("heartbeats every 1.5 s:", "host a has the lease")),
    Box("6 s without a heartbeat", 330, 170, 210, 90, ("the session of host a ends,", "host b gets the lease")),
    Box("position topic", 570, 170, 200, 90, ("b's claim fences a's producer,", "the last position is read")),
    Box("fenced", 790, 170, 135, 90, ("Kafka refuses what", "a still writes")),
    Box("host b", 20, 320, 920, 90, (), "frame"),
    Box("standby", 110, 345, 430, 52, ("a member of the group; looks at the position every 15 s",)),
    Box("opens", 570, 345, 200, 52, ("claim, position, stream",)),
    Box("active", 790, 345, 135, 52, ("the next message",)),
)

ARROWS = (
    Arrow(((205, 97), (205, 168))),
    Arrow(((435, 97), (435, 168))),
    Arrow(((435, 260), (435, 343)), "the lease", (445, 306)),
    Arrow(((540, 371), (568, 371))),
    Arrow(((670, 345), (670, 262)), "claim", (680, 306)),
    Arrow(((770, 371), (788, 371))),
    Arrow(((857, 97), (857, 168)), "too late", (865, 140)),
)


def drawn() -> str:
    """The whole picture, as SVG."""
    return svg(TITLE, (960, 430), BOXES, ARROWS)


if __name__ == "__main__":
    FILE.write_text(drawn(), encoding="utf-8")
