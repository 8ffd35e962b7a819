"""Prometheus' text format: the workers' files put together, each family's HELP and TYPE once. Pure.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/. Lines are checked, since one that Prometheus does not
understand would cost it all of them; prometheus_client's parser would take seven times as long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_HEADER = re.compile(r"# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*)(?: (.*))?")
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\.)*"'
_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+|Inf|NaN)"
_SAMPLE = re.compile(rf"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{{(?:{_LABEL}(?:,{_LABEL})*,?)?\}})? {_NUMBER}(?: -?[0-9]+)?")

_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}


@dataclass(slots=True)
class Family:
    """One metric: what it is, and its samples as lines."""

    kind: str = ""
    text: str = ""
    samples: list[str] = field(default_factory=list)

    def lines(self, name: str) -> list[str]:
        """As it is exposed."""
        return [*([f"# HELP {name} {self.text}"] if self.text else []), f"# TYPE {name} {self.kind}", *self.samples]


def parse(text: str) -> dict[str, Family]:
    """The families of one exposition, by name. What is not well-formed, or stands under another family's TYPE, is left out."""
    families: dict[str, Family] = {}
    names: Mapping[str, Family] = {}
    for line in text.splitlines():
        if header := _HEADER.fullmatch(line):
            what, name, rest = header[1], header[2], header[3] or ""
            family = families.setdefault(name, Family())
            if what == "HELP":
                family.text = rest
            else:
                family.kind = rest
                names = {name + suffix: family for suffix in _SUFFIXES.get(rest, ("",))}
        elif (sample := _SAMPLE.fullmatch(line)) and sample[1] in names:
            names[sample[1]].samples.append(line)
    return {name: family for name, family in families.items() if family.samples}


def merge(expositions: Iterable[Mapping[str, Family]]) -> str:
    """All samples, each family in one place. Where two disagree on what a metric is, the first is right and the other left out."""
    merged: dict[str, Family] = {}
    for exposition in expositions:
        for name, family in exposition.items():
            known = merged.setdefault(name, Family(family.kind, family.text))
            if known.kind == family.kind:
                known.samples.extend(family.samples)
    return "".join(f"{line}\n" for name, family in merged.items() for line in family.lines(name))
