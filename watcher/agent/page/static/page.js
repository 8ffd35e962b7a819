// The page keeps itself up to date: when the agent says that something changed, it asks for its own HTML again, and
// idiomorph takes over what differs, so focus, selection and scroll positions stay.

import { controls } from "./actions.js";
import { ask, token } from "./ask.js";
import { choosing } from "./choose.js";
import { copy } from "./copy.js";
import { follow } from "./live.js";
import { showTimes } from "./words.js";

const BETWEEN_MS = 400; // at least, between two refreshes
const AGAIN_MS = 5000; // before the page is loaded again for a part that is missing
const MOST_LOADS = 3; // what is missing then will not come
const LOADS = "loads"; // in the session's storage: how often the page was loaded again
const HIDDEN_MS = 30000; // between two looks of a page that nobody sees: its title and icon still tell how the fleet is

const main = () => document.getElementById("main");
const isSignIn = () => main().hasAttribute("data-sign-in");
const isStill = () => main().hasAttribute("data-still"); // what does not change, and so is not asked for again
const clockOffset = { ms: 0 }; // the agent's clock less ours

document.documentElement.classList.add("js");

async function start() {
  controls(main);
  document.addEventListener("submit", signIn);
  choosing(refresh);
  document.addEventListener("click", copyText);
  document.getElementById("lock").addEventListener("click", forget);
  showLock();
  noteTime();
  setInterval(() => showTimes(main(), Date.now() + clockOffset.ms), 1000);
  if (isSignIn() && token.get()) await refresh();
  if (!isSignIn()) live();
}

let isLive = false;

function live() {
  if (isStill()) return;
  details();
  if (isLive) return;
  isLive = true;
  follow("/api/stream?data=none", { onEvent: changed, onState: showConnection, onRefused: refresh });
  document.addEventListener("visibilitychange", () => document.hidden || changed());
  setInterval(() => document.hidden && lookUnseen(), HIDDEN_MS);
}

async function lookUnseen() {
  try {
    await refresh();
    showConnection("live");
  } catch {
    showConnection("lost");
  }
}

/** What the page of one watcher has besides. */
async function details() {
  const name = main().dataset.watcher;
  if (!name) return;
  let parts;
  try {
    parts = await Promise.all([import("./charts.js"), import("./log.js"), import("./messages.js")]);
  } catch {
    setTimeout(loadAgain, AGAIN_MS);
    return;
  }
  sessionStorage.removeItem(LOADS);
  const [{ showCharts }, { followLog }, { showMessages }] = parts;
  followLog();
  showCharts(name);
  showMessages(name);
}

/** Load the page anew, once the agent answers. Chromium never asks again for a module that it could not load. */
async function loadAgain() {
  const loads = Number(sessionStorage.getItem(LOADS));
  if (loads >= MOST_LOADS) return;
  const answers = await ask(location.href).then((response) => response.ok, () => false);
  if (answers) {
    sessionStorage.setItem(LOADS, loads + 1);
    location.reload();
  } else setTimeout(loadAgain, AGAIN_MS);
}

function copyText(event) {
  const button = event.target.closest("button[data-copy]");
  if (button) copy(document.getElementById(button.dataset.copy));
}

let due = null;
let last = 0;

/** Refresh soon; once for many calls. */
function changed() {
  if (due !== null) return;
  due = setTimeout(async () => {
    last = Date.now();
    try {
      await refresh();
    } catch {
      // the connection is watched by follow()
    } finally {
      due = null;
    }
  }, Math.max(0, last + BETWEEN_MS - Date.now()));
}

async function refresh() {
  const url = location.href;
  const response = await ask(url);
  if (response.status >= 500 || url !== location.href) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  const before = states();
  const focused = document.activeElement;
  const group = focused?.closest(".actions")?.getAttribute("aria-label");
  document.title = fresh.title;
  document.getElementById("icon").href = fresh.getElementById("icon").getAttribute("href");
  if (document.querySelector(".actions:hover, .actions :focus-visible")) keepOrder(fresh);
  Idiomorph.morph(main(), fresh.getElementById("main"), { callbacks: whatStays, ignoreActiveValue: true });
  if (focused !== document.activeElement) (focused.isConnected ? focused : firstButton(group))?.focus({ preventScroll: true });
  noteTime();
  announce(before);
  document.dispatchEvent(new CustomEvent("refreshed"));
}

const KEPT = { DETAILS: "open", BUTTON: "disabled" };

/** What the page keeps of itself: the parts with `data-keep`, a `<details>` that the reader has opened, a button whose action lasts. */
const whatStays = {
  beforeNodeMorphed: (old) => !(old instanceof Element && old.hasAttribute("data-keep")),
  beforeAttributeUpdated: (name, old, change) => !(change === "remove" && KEPT[old.nodeName] === name),
};

/** What stands now where a button has gone away. */
function firstButton(group) {
  return group && document.querySelector(`.actions[aria-label="${CSS.escape(group)}"] button`);
}

/** While somebody is about to press a button, rows must not move away from under it. */
function keepOrder(fresh) {
  const table = fresh.querySelector("table.fleet");
  for (const body of document.querySelectorAll("table.fleet > tbody")) {
    const same = fresh.getElementById(body.id);
    if (same) table.append(same);
  }
}

function noteTime() {
  const now = Date.parse(main().dataset.now);
  if (!Number.isNaN(now)) clockOffset.ms = now - Date.now();
  showTimes(main(), Date.now() + clockOffset.ms);
}

function states() {
  return new Map([...document.querySelectorAll("[data-state][data-name]")].map((each) => [each.dataset.name, each.dataset.state]));
}

/** Say to screen readers which watchers have changed their state. */
function announce(before) {
  const changes = [...states()].filter(([name, state]) => before.has(name) && before.get(name) !== state);
  if (changes.length) document.getElementById("said").textContent = changes.map(([name, state]) => `${name}: ${state}`).join(". ");
}

function showConnection(state) {
  const shown = document.getElementById("connection");
  if (shown.dataset.state === state) return;
  shown.dataset.state = state;
  shown.textContent = state === "live" ? "live" : "not connected, trying again";
  document.documentElement.classList.toggle("lost", state === "lost");
  if (state === "lost") {
    document.getElementById("icon").href = "/static/icon-off.svg";
    document.title = `Not connected · ${document.title}`;
  }
}

async function signIn(event) {
  if (event.target.id !== "sign-in") return;
  event.preventDefault();
  token.set(new FormData(event.target).get("token"));
  await refresh();
  if (isSignIn()) {
    token.forget();
    document.getElementById("sign-in-refused").hidden = false;
    return;
  }
  showLock();
  main().focus();
  live();
}

function forget() {
  token.forget();
  location.reload();
}

function showLock() {
  document.getElementById("lock").hidden = !token.get();
}

document.addEventListener("token", showLock);
start();
