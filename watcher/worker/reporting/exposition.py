"""Writes Prometheus' text format 0.0.4. Pure.

prometheus-client could write it too; `docs/decisions.md` says why a worker does not use it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from watcher.worker.reporting.histogram import Histogram

Number = float | int
Value = Number | None | Histogram | Mapping[Any, Number]
"""A number, or None if it is unknown; or numbers by the label's value, by a tuple of values if there are several labels."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `labels` are those beside the common ones; `meaning` says the unit if the name does not."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()


def exposition(values: Mapping[Metric, Value], common: Mapping[str, str]) -> str:
    """Write the text of all metrics. Each sample has the labels `common`; there must be at least one."""
    first = ",".join(f'{name}="{_quoted(value)}"' for name, value in common.items())
    return "".join(f"{line}\n" for metric, value in values.items() for line in _lines(metric, value, first))


def _lines(metric: Metric, value: Value, first: str) -> Iterator[str]:
    name = metric.name
    yield f"# HELP {name} {_escaped(metric.meaning)}"
    yield f"# TYPE {name} {metric.kind}"
    if isinstance(value, Histogram):
        yield from _histogram_lines(name, value, first)
    elif isinstance(value, Mapping):
        for key, number in value.items():
            labels = zip(metric.labels, (key,) if isinstance(key, str) else key, strict=True)
            own = "".join(f',{label}="{_quoted(text)}"' for label, text in labels)
            yield f"{name}{{{first}{own}}} {number!r}"
    elif value is not None:
        yield f"{name}{{{first}}} {value!r}"


def _histogram_lines(name: str, histogram: Histogram, first: str) -> Iterator[str]:
    buckets, total, number = histogram.observed
    for bound, below in zip(histogram.bounds, buckets, strict=True):
        yield f'{name}_bucket{{{first},le="{float(bound)!r}"}} {below}'
    yield f'{name}_bucket{{{first},le="+Inf"}} {number}'
    yield f"{name}_sum{{{first}}} {total!r}"
    yield f"{name}_count{{{first}}} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', r"\"")
