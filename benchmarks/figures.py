"""Figures of several runs: medians with their spread, ratios inside a run, percentiles. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

Figures = dict[str, float]
"""By what it is a figure of."""

Summary = dict[str, dict[str, Figures]]
"""By whose and of what: median, lowest, highest and the number of runs."""

PERCENTILES = (50, 95, 99, 99.9)

CONTROL = "mongod CPU s/million"
"""The control of a turn: MongoDB does the same work in each turn of a contender, so it should take the same processor time."""

CONTROL_IS_OFF = 0.2
"""Share of the median by which a control may differ. A machine that others use as well drifts by 30 % within minutes."""


def summary(runs: Sequence[Mapping[str, Figures]]) -> Summary:
    """Over the runs in which there is such a figure."""
    owners = dict.fromkeys(owner for run in runs for owner in run)
    return {owner: _summary([run[owner] for run in runs if owner in run]) for owner in owners}


def spread(values: Sequence[float]) -> Figures:
    """Of one figure over the runs."""
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values), "runs": len(values)}


def with_ratios(run: Mapping[str, Figures], to: str, ratios: Mapping[str, str]) -> dict[str, Figures]:
    """One run, and for each of the `ratios` (its name by that of the figure) what `to` has of everybody's own figure."""
    base = run.get(to, {})
    return {
        owner: {**figures, **{name: base[key] / figures[key] for key, name in ratios.items() if _divisible(base, figures, key)}}
        for owner, figures in run.items()
    }


def off_turns(runs: Sequence[Mapping[str, Figures]]) -> list[str]:
    """The turns in which the machine was another one: whose they are, and what their control was. One run has no such turns."""
    off = []
    for owner, figures in summary(runs).items():
        if not (usual := figures.get(CONTROL, {}).get("median")):
            continue
        for number, run in enumerate(runs, 1):
            ratio = run.get(owner, {}).get(CONTROL, usual) / usual
            if abs(ratio - 1) > CONTROL_IS_OFF:
                off.append(f"{owner}, run {number}: mongod took {ratio:.2g} times the processor time an event of the median run")
    return off


def percentiles(values: Sequence[float]) -> Figures:
    """By nearest rank, named as in `p99.9`; not of nothing."""
    ordered = sorted(values)
    return {f"p{share:g}": ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)] for share in PERCENTILES}


def show(results: Summary) -> None:
    """One line for each owner, with medians and spread."""
    for owner, figures in results.items():
        cells = (f"{name} {each['median']:,.6g} ({each['lowest']:,.5g}-{each['highest']:,.5g})" for name, each in figures.items())
        print(f"  {owner:34}", "  ".join(cells), flush=True)


def _summary(runs: Sequence[Figures]) -> dict[str, Figures]:
    names = dict.fromkeys(name for figures in runs for name in figures)
    return {name: spread([figures[name] for figures in runs if name in figures]) for name in names}


def _divisible(base: Figures, figures: Figures, key: str) -> bool:
    return key in base and bool(figures.get(key))
