"""The parts of `docs/` that the code knows: `python -m tests.docs_tables` writes them anew, and a test holds the pages to it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tests.golden_envelopes import ENVELOPES, ROOM
from tests.support.status_reports import dashboard, survey_of
from tests.unit.change_events import encoder, recorded
from watcher.fleet.status_json import as_json
from watcher.status.database_status import DatabaseStatus
from watcher.status.report import PUBLIC, StatusReport
from watcher.status.snapshot_status import CollectionStatus, SnapshotStatus
from watcher.worker.reporting.exposition import Metric
from watcher.worker.reporting.metrics import METRICS

DOCS = Path(__file__).parents[1] / "docs"
ONE_LINE = 100
"""The length up to which an object without others in it stands on one line."""


def status_rows() -> str:
    """A row for each value of a worker that `watcherctl status --json` passes on."""
    meanings = {field.key: field.meaning for field in StatusReport.fields()}
    return "".join(f"| `{key}` | {meanings[key]} |\n" for key in PUBLIC)


def snapshot_rows() -> str:
    """A row for each value of a snapshot."""
    return "".join(f"| `{field.key}` | {field.meaning} |\n" for field in SnapshotStatus.fields())


def collection_rows() -> str:
    """A row for each value of a snapshot's collection."""
    return "".join(f"| `{field.key}` | {field.meaning} |\n" for field in CollectionStatus.fields())


def database_rows() -> str:
    """A row for each value of one database among several."""
    return "".join(f"| `{field.key}` | {field.meaning} |\n" for field in DatabaseStatus.fields())


def status_example() -> str:
    """The document of `watcherctl status --json` for the example's fleet."""
    text = json.dumps(as_json(survey_of(dashboard())), indent=2)
    return re.sub(r"\{[^{}]*\}", lambda found: _on_one_line(found.group()), text) + "\n"


def _on_one_line(text: str) -> str:
    short = "{" + " ".join(text[1:-1].split()) + "}"
    return short if len(short) <= ONE_LINE else text


def metric_rows() -> str:
    """A row for each metric of a worker."""
    return "".join(map(_metric_row, METRICS))


def _metric_row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels}{' |' if labels else '|'} {metric.meaning} |\n"


def format_examples(envelope: str) -> str:
    """An update and a delete of the recorded events: key, value and headers of each message."""
    messages = [
        message
        for number, operation in enumerate(("update", "delete"))
        for message in encoder(envelope=envelope, json_format=ENVELOPES[envelope]).messages_for(
            recorded()[operation], 1042 + number, lambda _: ROOM
        )
    ]
    return "\n".join(f"{each.operation}\nkey      {_text(each.key)}\nvalue    {_text(each.value)}\n" for each in messages)


def _text(raw: bytes | None) -> str:
    if raw is None:
        return "none: a tombstone"
    text = raw.decode()
    return text if len(text) <= ONE_LINE else json.dumps(json.loads(text), indent=2, ensure_ascii=False)


def _in_section(envelope: str) -> str:
    return rf"## {envelope}\n(?:(?!```).*\n)+```text\n((?:.*\n)*?)```\n"


PARTS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "formats.md": {_in_section(envelope): partial(format_examples, envelope) for envelope in ENVELOPES},
    "metrics.md": {r"## Workers\n\n.*\n\|[-|]+\|\n((?:\|.*\n)+)": metric_rows},
    "status-json.md": {
        r"```json\n((?:.*\n)+?)```\n": status_example,
        r"### What its worker wrote last\n(?:\n[^|].*|\n)+\|.*\n\|[-|]+\|\n((?:\|.*\n)+)": status_rows,
        r"### A snapshot\n(?:\n[^|].*|\n)+\|.*\n\|[-|]+\|\n((?:\|.*\n)+)": snapshot_rows,
        r"### The busiest databases\n(?:\n[^|].*|\n)+\|.*\n\|[-|]+\|\n((?:\|.*\n)+)": database_rows,
        r"### A snapshot's collections\n(?:\n[^|].*|\n)+\|.*\n\|[-|]+\|\n((?:\|.*\n)+)": collection_rows,
    },
}
"""The parts of each page: the text around it, with the part itself as a group, and what is to be there."""


def written_anew(page: str) -> str:
    """Return the page's text with its parts as the code has them."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for pattern, part in PARTS[page].items():
        [found] = re.finditer(pattern, text)
        text = text[: found.start(1)] + part() + text[found.end(1) :]
    return text


if __name__ == "__main__":
    for name in PARTS:
        (DOCS / name).write_text(written_anew(name), encoding="utf-8")
