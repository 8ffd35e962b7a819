// The charts of one watcher over the time that the reader chooses; each says in words what it shows.

import { ask } from "./ask.js";
import { Plot } from "./plot.js";
import { STEP_SECONDS, endOf } from "./series.js";
import { secondsInWords } from "./words.js";

const AGAIN_MS = 1000;
const SPANS = { "5m": [300, "5 minutes"], "15m": [900, "15 minutes"], "1h": [3600, "hour"] };
const USUAL_SPAN = "1h";
const OPERATIONS = ["insert", "update", "replace", "delete"];
const SECONDS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 172800, 604800, 2592000];

const number = (value) => (value < 100 ? Number(value.toFixed(1)) : Math.round(value)).toLocaleString("en").replaceAll(",", "\u202f");
const seconds = { scale: 1, words: secondsInWords, tick: (value) => (value ? secondsInWords(value) : "0"), steps: SECONDS };
const CHARTS = {
  operations: { keys: OPERATIONS, scale: 1, words: (value) => `${number(value)}/s`, tick: number },
  lagSeconds: { keys: ["lagSeconds"], ...seconds },
  headroomSeconds: { keys: ["headroomSeconds"], ...seconds, extreme: ["lowest", Math.min] },
  batchSize: { keys: ["batchSize"], scale: 1, words: number },
  commitSeconds: { keys: ["commitSeconds"], scale: 1000, words: (value) => `${number(value)} ms`, tick: number },
  rssBytes: { keys: ["rssBytes"], scale: 1e-6, words: (value) => `${number(value)} MB`, tick: number },
};

/** Draw the charts of the watcher `name`, and keep them up to date. */
export async function showCharts(name) {
  const url = `/api/watchers/${encodeURIComponent(name)}/history`;
  const controls = document.getElementById("chart-controls");
  const inFull = document.getElementById("in-full");
  const drawn = new Map();
  let history = null;

  chooseSpan(controls);
  document.getElementById("zone").textContent = zone();
  await Promise.all([load("link", { rel: "stylesheet", href: "/static/vendor/uPlot.min.css" }), load("script", { src: "/static/vendor/uPlot.iife.min.js" })]);

  async function update() {
    if (document.hidden) return;
    const response = await ask(url).catch(() => null);
    if (!response?.ok) return;
    history = await response.json();
    draw();
  }

  function draw() {
    if (!history) return;
    const [span, words] = SPANS[controls.querySelector("input[name=span]:checked").value];
    document.getElementById("charts-title").textContent = `Last ${words}`;
    const to = endOf(history);
    for (const figure of document.querySelectorAll("figure[data-chart]")) {
      const chart = CHARTS[figure.dataset.chart];
      const columns = chart.keys.map((key) => history[key].map((value) => (value === null ? null : value * chart.scale)));
      if (!drawn.has(figure)) drawn.set(figure, new Plot(figure.querySelector(".plot"), chart));
      const shown = drawn.get(figure).show({ from: to - span, to, at: history.at, columns, inFull: inFull.checked });
      figure.querySelector(".words").textContent = inWords(chart, shown);
    }
  }

  function drawAnew() {
    for (const plot of drawn.values()) plot.destroy();
    draw();
  }

  function fit() {
    for (const plot of drawn.values()) plot.fit();
  }

  new ResizeObserver(fit).observe(document.getElementById("charts"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAnew);
  document.addEventListener("visibilitychange", update);
  controls.addEventListener("change", () => {
    keepSpan(controls);
    draw();
  });
  setInterval(update, STEP_SECONDS * 1000);
  await update();
}

/** The span that the URL names. */
function chooseSpan(controls) {
  const given = new URLSearchParams(location.search).get("span");
  controls.querySelector(`input[value="${given in SPANS ? given : USUAL_SPAN}"]`).checked = true;
}

function keepSpan(controls) {
  const url = new URL(location.href);
  const { value } = controls.querySelector("input[name=span]:checked");
  if (value === USUAL_SPAN) url.searchParams.delete("span");
  else url.searchParams.set("span", value);
  history.replaceState(null, "", url);
}

/** `Times are those of Europe/Berlin, GMT+1.` */
function zone() {
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "shortOffset" }).formatToParts();
  const offset = parts.find((part) => part.type === "timeZoneName").value;
  return `Times are those of ${name === offset ? name : `${name}, ${offset}`}.`;
}

/** `now 12.5/s, highest 40.1/s`: of several series together; without the first where no worker tells. */
function inWords(chart, { sums, isCut }) {
  const known = sums.filter((value) => value !== null);
  if (!known.length) return "nothing known";
  const isLive = "live" in document.getElementById("main").dataset;
  const now = isLive ? `now ${chart.words(known.at(-1))}, ` : "";
  const [which, of] = chart.extreme ?? ["highest", Math.max];
  return `${now}${which} ${chart.words(of(...known))}${isCut ? ", cut off at the top" : ""}`;
}

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
