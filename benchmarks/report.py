"""Writes the tables of the documentation and draws its plots, from benchmarks/results.jsonl: `python -m benchmarks.report`.

Only what stands between the markers is written; a part without a result keeps what it has. A page that has a place for the
conditions says once what most of its tables were measured with, and each table says only what was different there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.figures import Figures
from benchmarks.results import Result, read

ROOT = Path(__file__).parents[1]
PAGES = tuple(ROOT / "docs" / f"{page}.md" for page in ("performance", "scaling", "high-availability"))
IMAGES = ROOT / "docs" / "images"
MARKED = re.compile(r"(<!-- benchmarks: (?P<part>[\w-]+) -->\n).*?(<!-- /benchmarks -->)", re.DOTALL)

CONDITIONS = "conditions"
"""The place of what most tables of a page have in common."""

EACH_ITS_OWN = ("measured", "load before")
"""Conditions that a table tells of itself."""

BARS = tuple(f"catchup-{size}-{kind}" for kind in ("inserts", "mix") for size in ("small", "medium", "large"))
BARS_IN_A_ROW = 3
OF_DRAIN, OURS_TIMES = "of the drain", "ours times"


def usual_conditions(results: Iterable[Result]) -> dict[str, str]:
    """The conditions, each as most of the tables that tell of it have it."""
    said: dict[str, Counter[str]] = {}
    for result in results:
        for name, value in result.conditions.items():
            said.setdefault(name, Counter())[value] += 1
    return {name: values.most_common(1)[0][0] for name, values in said.items() if name not in EACH_ITS_OWN}


def listed(conditions: Mapping[str, str]) -> str:
    """Conditions in one line."""
    return "; ".join(f"{name}: {value}" for name, value in conditions.items())


def table(result: Result, usual: Mapping[str, str]) -> str:
    """A result as Markdown: the figures with their spread, who is missing and why, which turns say little, and the conditions that
    are not the `usual` ones."""
    columns = [*dict.fromkeys(name for figures in result.figures.values() for name in figures)]
    rows = [
        [owner, *(cell(figures[name]) if name in figures else "" for name in columns)] for owner, figures in result.figures.items()
    ]
    missing = [f"* {name} is absent: {one_line(reason)}" for name, reason in result.absent.items()]
    missing += [f"* {name} has failed: {one_line(reason)}" for name, reason in result.failed.items()]
    runs = max((each["runs"] for figures in result.figures.values() for each in figures.values()), default=0)
    counted = f"median of {runs:.0f} runs (lowest-highest)" if runs > 1 else "one run"
    missing += [f"* {one_line(turn)}" for turn in result.off]
    under = listed({name: value for name, value in result.conditions.items() if usual.get(name) != value})
    blocks = [
        f"**{result.title}**, {counted}.",
        "\n".join(markdown_rows(["", *columns], rows)),
        "\n".join(missing),
        f"<sub>{under}.</sub>",
    ]
    return "\n\n".join(block for block in blocks if block)


def markdown_rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; figures stand at the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def cell(figure: Figures) -> str:
    """Median and spread; one run has none."""
    median = number(figure["median"])
    return median if figure["runs"] == 1 else f"{median} ({number(figure['lowest'])}-{number(figure['highest'])})"


def number(value: float) -> str:
    """Three digits that mean something: 41,300; 13.4; 0.76."""
    if abs(value) >= 1000:
        return f"{round(value, -2):,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def one_line(text: str) -> str:
    """A reason as a table's remark can hold it."""
    return " ".join(text.split())[:300]


def written(text: str, results: Mapping[str, Result]) -> str:
    """A page with the tables of the results that there are, and what they have in common where it has a place for that."""
    parts = [match["part"] for match in MARKED.finditer(text)]
    usual = usual_conditions(results[part] for part in parts if part in results) if CONDITIONS in parts else {}

    def fill(match: re.Match[str]) -> str:
        if match["part"] == CONDITIONS:
            return f"{match[1]}{listed(usual)}.\n{match[3]}" if usual else match[0]
        result = results.get(match["part"])
        return f"{match[1]}{table(result, usual)}\n{match[3]}" if result else match[0]

    return MARKED.sub(fill, text)


def draw(results: Mapping[str, Result], directory: Path = IMAGES) -> None:
    """The plots of what there is, as SVG that is the same for the same figures."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams.update({"svg.hashsalt": "benchmarks", "font.size": 9})
    if bars := {part: results[part] for part in BARS if part in results}:
        draw_bars(bars, directory / "catchup.svg")
    latencies = {part: result for part, result in results.items() if part.startswith("latency-")}
    if latencies:
        draw_latency(latencies, directory / "latency.svg")


def draw_bars(results: Mapping[str, Result], path: Path) -> None:
    """Shares of the drain's events a second by contender, and how many times a peer's speed ours is, one panel for each backlog."""
    from matplotlib import pyplot as plt

    rows = -(-len(results) // BARS_IN_A_ROW)
    columns = min(len(results), BARS_IN_A_ROW)
    figure, panels = plt.subplots(
        rows, columns, figsize=(4 * columns, 2.6 * rows), squeeze=False, sharex=True, layout="constrained"
    )
    for axes in panels.flat[len(results) :]:
        axes.set_axis_off()
    for axes, (part, result) in zip(panels.flat, results.items(), strict=False):
        owners = [owner for owner, figures in result.figures.items() if OF_DRAIN in figures][::-1]
        shares = [result.figures[owner][OF_DRAIN] for owner in owners]
        errors = [[each["median"] - each["lowest"] for each in shares], [each["highest"] - each["median"] for each in shares]]
        axes.barh(owners, [each["median"] for each in shares], xerr=errors, color=["C0" if "ours" in o else "C7" for o in owners])
        for place, owner in enumerate(owners):
            if (times := result.figures[owner].get(OURS_TIMES)) and "ours" not in owner:
                axes.text(
                    shares[place]["highest"] + 0.02, place, f"ours: {times['median']:.1f} times", va="center", fontsize="small"
                )
        axes.set_title(part.removeprefix("catchup-").replace("-", " "))
        axes.set_xlabel("share of the drain's events/s")
        axes.set_xlim(0, 1.15)
        axes.grid(axis="x", alpha=0.25)
        if axes not in panels[:, 0]:
            axes.set_yticklabels([])
    save(figure, path)


def draw_latency(results: Mapping[str, Result], path: Path) -> None:
    """Percentiles by contender, one panel for each rate; the scale is logarithmic."""
    from matplotlib import pyplot as plt

    ordered = sorted(results.items(), key=lambda item: float(item[0].removeprefix("latency-")))
    figure, panels = plt.subplots(
        1, len(ordered), figsize=(4 * len(ordered), 3.2), squeeze=False, sharey=True, layout="constrained"
    )
    for axes, (part, result) in zip(panels[0], ordered, strict=True):
        for owner, figures in result.figures.items():
            axes.plot([*figures], [each["median"] for each in figures.values()], marker="o", markersize=3, label=owner)
        axes.set_title(f"{float(part.removeprefix('latency-')):,.0f} writes/s")
        axes.set_yscale("log")
        axes.grid(alpha=0.25)
    panels[0][0].set_ylabel("ms")
    max(panels[0], key=lambda axes: len(axes.lines)).legend(fontsize="x-small")
    save(figure, path)


def save(figure: object, path: Path) -> None:
    """As SVG, without a date in it."""
    from matplotlib import pyplot as plt
    from matplotlib.figure import Figure

    assert isinstance(figure, Figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def main() -> None:
    """Tables and plots of all results."""
    results = read()
    for page in PAGES:
        page.write_text(written(page.read_text(), results))
    draw(results)


if __name__ == "__main__":
    main()
