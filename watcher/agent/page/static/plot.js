// One chart, drawn by uPlot: a fixed time axis, grey where nothing is known, and marks where a peak is cut off.

import { cut, peaks, since, stacked, total, unknown } from "./series.js";

const HEIGHT = 160;
const PEAK_WORDS_PX = 70;
const time = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB");
const times = (_, splits, axis, space, step) => splits.map((at) => (step < 60 ? time(at) : time(at).slice(0, 5)));

/** A chart of `keys` in `target`. `show()` gives it another view: { from, to, at, columns, inFull }. */
export class Plot {
  constructor(target, chart) {
    this.target = target;
    this.chart = chart;
  }

  show(view) {
    const { at, columns } = since(view.from, view.at, view.columns);
    const sums = total(columns);
    Object.assign(this, { view, at, columns, sums, height: view.inFull ? null : cut(sums) });
    const several = columns.length > 1;
    const data = [at, ...(several ? [sums, ...stacked(columns).reverse()] : columns)];
    if (this.drawn) this.drawn.setData(data);
    else this.drawn = this.draw(data, several);
    this.target.parentElement.dataset.isCut = this.height !== null;
    return { sums, isCut: this.height !== null };
  }

  fit() {
    this.drawn?.setSize({ width: this.target.clientWidth, height: HEIGHT });
  }

  destroy() {
    this.drawn?.destroy();
    this.drawn = null;
  }

  draw(data, several) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const { chart } = this;
    const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1, size: 4 } };
    const words = (value) => (value === null || value === undefined ? "-" : chart.words(value));
    const line = { width: 1.5, points: { show: false } };
    const top = (_, low, high) => [0, this.height ?? Math.max(high ?? 0, 1) * 1.1];
    const series = several ? this.stack(line, colour, words) : [{ ...line, label: chart.keys[0], stroke: colour("series"), value: (_, value) => words(value) }];
    return new uPlot(
      {
        width: this.target.clientWidth,
        height: HEIGHT,
        legend: { show: several },
        cursor: { y: false, drag: { x: false, y: false }, sync: { key: "charts" } },
        scales: { x: { time: true, range: () => [this.view.from, this.view.to] }, y: { range: top } },
        axes: [
          { ...axis, size: 26, space: 70, values: times },
          { ...axis, size: 58, space: 36, ...(chart.steps && { incrs: chart.steps }), values: (_, splits) => splits.map(chart.tick ?? chart.words) },
        ],
        series: [{ value: (_, at) => (at === null ? "-" : time(at)) }, ...series],
        bands: several ? chart.keys.slice(1).map((_, number) => ({ series: [number + 2, number + 3] })) : [],
        hooks: { drawClear: [(plot) => this.grey(plot, colour("unknown"))], draw: [(plot) => this.markPeaks(plot, colour("text"))] },
      },
      data,
      this.target,
    );
  }

  /** The total as a line, and below it the operations, the last on top. */
  stack(line, colour, words) {
    const { keys } = this.chart;
    const parts = [...keys.entries()].reverse().map(([number, key]) => ({
      ...line,
      label: key,
      width: 1,
      stroke: colour(key),
      fill: `${colour(key)}66`,
      value: (_plot, _value, _series, step) => words(this.columns[number][step]),
    }));
    return [{ ...line, label: "total", stroke: colour("text"), value: (_, value) => words(value) }, ...parts];
  }

  grey(plot, colour) {
    const { ctx, bbox } = plot;
    ctx.fillStyle = colour;
    for (const [from, to] of unknown(this.at, this.sums, this.view.from, this.view.to)) {
      const left = plot.valToPos(from, "x", true);
      ctx.fillRect(left, bbox.top, plot.valToPos(to, "x", true) - left, bbox.height);
    }
  }

  markPeaks(plot, colour) {
    if (this.height === null) return;
    const { ctx, bbox } = plot;
    const pixels = devicePixelRatio;
    ctx.fillStyle = colour;
    ctx.font = `${12 * pixels}px system-ui, sans-serif`;
    ctx.textBaseline = "top";
    let free = -Infinity;
    for (const step of peaks(this.sums, this.height)) {
      const x = plot.valToPos(this.at[step], "x", true);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x - 5 * pixels, bbox.top + 8 * pixels);
      ctx.lineTo(x + 5 * pixels, bbox.top + 8 * pixels);
      ctx.fill();
      if (x < free) continue;
      const isRight = x > bbox.left + bbox.width - PEAK_WORDS_PX * pixels;
      ctx.textAlign = isRight ? "right" : "left";
      ctx.fillText(this.chart.words(this.sums[step]), x + (isRight ? -8 : 8) * pixels, bbox.top);
      free = x + PEAK_WORDS_PX * pixels;
    }
  }
}
