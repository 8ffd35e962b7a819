// The latest messages of one watcher, of those that the reader asks for; read again when its sequence has moved, while one follows.

import { ask } from "./ask.js";
import { openInDrawer } from "./drawer.js";
import { clock } from "./words.js";

const BETWEEN_MS = 3000; // each reading opens a consumer
const REST_TIMES = 10; // as long as the last reading took: to search through much must not keep Kafka busy
const TYPING_MS = 400;

export function showMessages(name) {
  const base = `/watchers/${encodeURIComponent(name)}/messages`;
  const form = document.getElementById("message-filter");
  const following = document.getElementById("follow-messages");
  const sequence = () => document.getElementById("sequence")?.dataset.sequence;
  const filter = () => new URLSearchParams([...new FormData(form)].filter(([, value]) => value)).toString();
  const shown = { sequence: null, filter: null };
  let isReading = false;
  let rests = 0;
  let typing = null;

  async function look() {
    const wanted = { sequence: sequence(), filter: filter() };
    const isOther = wanted.filter !== shown.filter;
    if (!following.checked && !isOther) return noteNewer(wanted.sequence - shown.sequence);
    if (isReading || document.hidden || (!isOther && (wanted.sequence === shown.sequence || Date.now() < rests))) return;
    isReading = true;
    const begun = Date.now();
    if (isOther) note("Reading from Kafka…");
    try {
      show(await read(`/api${base}?n=20&${wanted.filter}`), base, wanted.filter);
    } catch (error) {
      note(error.message);
    } finally {
      Object.assign(shown, wanted);
      isReading = false;
      rests = Date.now() + Math.max(BETWEEN_MS, REST_TIMES * (Date.now() - begun));
    }
    if (filter() !== shown.filter) look();
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    if (event.target === following) rests = 0; // at once
    clearTimeout(typing);
    typing = setTimeout(look, TYPING_MS);
  });
  document.getElementById("messages").addEventListener("click", openInDrawer);
  document.addEventListener("refreshed", look);
  look();
}

async function read(url) {
  const response = await ask(url);
  const told = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error([told.error ?? `The agent answered ${response.status}.`, told.hint].filter(Boolean).join(" "));
  return told;
}

function show({ messages, complete }, base, filter) {
  const section = document.getElementById("messages");
  const focused = section.querySelector("tbody a:focus")?.href;
  const rows = messages.map((message) => row(message, base));
  section.querySelector("tbody").replaceChildren(...rows);
  rows.map((each) => each.querySelector("a")).find((link) => link.href === focused)?.focus({ preventScroll: true });
  section.querySelector(".scroll").hidden = messages.length === 0;
  offer(messages);
  const none = filter ? "No message matches." : "Nothing has been delivered yet.";
  const partly = filter ? "Only the newest messages were searched." : "";
  if (messages.length) note(complete ? "" : partly);
  else note(complete ? none : "None among the newest messages of its topics.");
}

/** Offer the collections seen so far to whoever types one. */
function offer(messages) {
  const list = document.getElementById("message-collections");
  const known = new Set([...list.options].map((option) => option.value));
  for (const name of new Set(messages.map((message) => message.collection))) if (name && !known.has(name)) list.append(new Option("", name));
}

function noteNewer(count) {
  if (count > 0) note(`Paused; ${count} newer.`);
}

function note(text) {
  const shown = document.getElementById("messages-note");
  if (shown.textContent !== text) shown.textContent = text;
  shown.hidden = !text;
}

function row(message, base) {
  const line = document.createElement("tr");
  const place = `${message.topic}-${message.partition}-${message.offset}`;
  const link = Object.assign(document.createElement("a"), { href: `${base}/${place}`, textContent: message.sequence });
  const number = cell("", "number");
  number.append(link);
  line.append(
    number,
    cell(clock(message.timestamp), "nowrap"),
    cell(message.operation, `op op-${message.operation}`),
    cell(message.collection, "nowrap"),
    cell(message.key, "nowrap"),
    cell(message.what.length > 300 ? `${message.what.slice(0, 300)}…` : message.what, "what"),
  );
  return line;
}

function cell(text, classes) {
  const made = document.createElement("td");
  made.textContent = text;
  made.className = classes;
  return made;
}
