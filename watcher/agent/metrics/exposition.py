"""Merging of the workers' metrics in Prometheus' text format, with HELP and TYPE once for each family. No I/O.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/. Lines are checked, because a single invalid line makes
Prometheus reject all of them. prometheus_client's own parser would be much slower.
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
    """One metric: its TYPE (`kind`), its HELP (`text`), and its samples as lines."""

    kind: str = ""
    text: str = ""
    samples: list[str] = field(default_factory=list)

    def lines(self, name: str) -> list[str]:
        """The lines of the family in an exposition."""
        return [*([f"# HELP {name} {self.text}"] if self.text else []), f"# TYPE {name} {self.kind}", *self.samples]


def parse(text: str) -> dict[str, Family]:
    """The families of one exposition, by name. Malformed lines, and samples under another family's TYPE, are left out."""
    families: dict[str, Family] = {}
    names: Mapping[str, Family] = {}
    for line in text.split("\n"):  # the format knows no other end of a line, and a database may have any in its name
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
    """Merge all samples, each family in one place. If two give a metric different types, the second one is left out."""
    merged: dict[str, Family] = {}
    for exposition in expositions:
        for name, family in exposition.items():
            known = merged.setdefault(name, Family(family.kind, family.text))
            if known.kind == family.kind:
                known.samples.extend(family.samples)
    return "".join(f"{line}\n" for name, family in merged.items() for line in family.lines(name))
