// The last hour of one watcher, drawn by uPlot; each chart says in words what it shows.

import { ask } from "./ask.js";
import { secondsInWords } from "./words.js";

const EVERY_MS = 5000; // the history's step
const AGAIN_MS = 1000;
const HEIGHT = 160;
const OPERATIONS = ["insert", "update", "replace", "delete"];

const number = (value) => (value < 100 ? Number(value.toFixed(1)) : Math.round(value)).toLocaleString("en").replaceAll(",", "\u202f");
const CHARTS = {
  operations: { keys: OPERATIONS, scale: 1, words: (value) => `${number(value)}/s` },
  lagSeconds: { keys: ["lagSeconds"], scale: 1, words: secondsInWords },
  batchSize: { keys: ["batchSize"], scale: 1, words: number },
  commitSeconds: { keys: ["commitSeconds"], scale: 1000, words: (value) => `${number(value)} ms` },
  rssBytes: { keys: ["rssBytes"], scale: 1e-6, words: (value) => `${number(value)} MB` },
};

/** Draw the charts of the watcher `name`, and keep them up to date. */
export async function showCharts(name) {
  const url = `/api/watchers/${encodeURIComponent(name)}/history`;
  await Promise.all([load("link", { rel: "stylesheet", href: "/static/vendor/uPlot.min.css" }), load("script", { src: "/static/vendor/uPlot.iife.min.js" })]);
  const drawn = new Map();
  let history = null;

  async function update() {
    if (document.hidden) return;
    const response = await ask(url).catch(() => null);
    if (!response?.ok) return;
    history = await response.json();
    draw();
  }

  function draw() {
    for (const figure of document.querySelectorAll("figure[data-chart]")) {
      const chart = CHARTS[figure.dataset.chart];
      const columns = chart.keys.map((key) => history[key].map((value) => (value === null ? null : value * chart.scale)));
      figure.querySelector(".words").textContent = inWords(chart, columns);
      const data = [history.at, ...columns];
      if (drawn.has(figure)) drawn.get(figure).setData(data);
      else drawn.set(figure, plot(figure.querySelector(".plot"), chart, data));
    }
  }

  function drawAnew() {
    for (const chart of drawn.values()) chart.destroy();
    drawn.clear();
    if (history) draw();
  }

  function fit() {
    for (const [figure, chart] of drawn) chart.setSize({ width: figure.querySelector(".plot").clientWidth, height: HEIGHT });
  }

  new ResizeObserver(fit).observe(document.getElementById("charts"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAnew);
  document.addEventListener("visibilitychange", update);
  setInterval(update, EVERY_MS);
  await update();
}

/** `now 12.5/s, highest 40.1/s`: of several series together; without the first where no worker tells. */
function inWords(chart, columns) {
  const sums = columns[0].map((_, step) => {
    const values = columns.map((column) => column[step]).filter((value) => value !== null);
    return values.length ? values.reduce((sum, value) => sum + value, 0) : null;
  });
  const known = sums.filter((value) => value !== null);
  if (!known.length) return "nothing known";
  const isLive = "live" in document.getElementById("main").dataset;
  const now = isLive ? `now ${chart.words(known.at(-1))}, ` : "";
  return `${now}highest ${chart.words(Math.max(...known))}`;
}

function plot(target, chart, data) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const several = chart.keys.length > 1;
  const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1, size: 4 } };
  const series = chart.keys.map((key) => ({
    label: key,
    stroke: colour(several ? key : "series"),
    width: 1.5,
    points: { show: false },
    value: (_, value) => (value === null ? "-" : chart.words(value)),
  }));
  return new uPlot(
    {
      width: target.clientWidth,
      height: HEIGHT,
      legend: { show: several },
      cursor: { y: false, sync: { key: "hour" } },
      scales: { x: { time: true }, y: { range: (_, low, high) => [0, Math.max(high ?? 0, 1) * 1.1] } },
      axes: [{ ...axis, size: 26, space: 70, values: times }, { ...axis, size: 48, space: 36 }],
      series: [{ value: (_, at) => (at === null ? "-" : time(at)) }, ...series],
    },
    data,
    target,
  );
}

const time = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB");
const times = (_, splits, axis, space, step) => splits.map((at) => (step < 60 ? time(at) : time(at).slice(0, 5)));

/** Again and again, until the agent answers. */
async function load(kind, attributes) {
  while (!(await loads(kind, attributes))) await new Promise((done) => setTimeout(done, AGAIN_MS));
}

function loads(kind, attributes) {
  return new Promise((tell) => {
    const element = Object.assign(document.createElement(kind), attributes);
    element.addEventListener("load", () => tell(true));
    element.addEventListener("error", () => {
      element.remove();
      tell(false);
    });
    document.head.append(element);
  });
}
