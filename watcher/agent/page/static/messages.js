// The latest messages of one watcher, read again when its sequence has moved.

import { ask } from "./ask.js";
import { clock } from "./words.js";

const BETWEEN_MS = 3000; // each reading opens a consumer

export function showMessages(name) {
  const url = `/api/watchers/${encodeURIComponent(name)}/messages?n=20`;
  const sequence = () => document.getElementById("sequence")?.dataset.sequence;
  let shown = null;
  let isReading = false;
  let last = 0;

  async function look() {
    const wanted = sequence();
    if (isReading || document.hidden || wanted === shown || Date.now() < last + BETWEEN_MS) return;
    isReading = true;
    try {
      show(await read(url));
      shown = wanted;
    } catch (error) {
      note(error.message);
    } finally {
      isReading = false;
      last = Date.now();
    }
  }

  document.addEventListener("refreshed", look);
  look();
}

async function read(url) {
  const response = await ask(url);
  const told = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error([told.error ?? `The agent answered ${response.status}.`, told.hint].filter(Boolean).join(" "));
  return told;
}

function show({ messages, complete }) {
  const section = document.getElementById("messages");
  section.querySelector("tbody").replaceChildren(...messages.map(row));
  section.querySelector(".scroll").hidden = messages.length === 0;
  if (messages.length) note("");
  else note(complete ? "Nothing has been delivered yet." : "None among the newest messages of its topics.");
}

function note(text) {
  const shown = document.getElementById("messages-note");
  shown.textContent = text;
  shown.hidden = !text;
}

function row(message) {
  const line = document.createElement("tr");
  line.append(
    cell(message.sequence, "number"),
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
