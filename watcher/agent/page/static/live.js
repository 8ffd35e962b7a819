// Server-sent events by way of fetch(): EventSource cannot send the token. Connects again by itself.

import { ask } from "./ask.js";

const SILENCE_MS = 15000; // the agent says something every 5 s
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;

/**
 * Calls `onEvent` for each event, `onState("live" | "lost")` as the connection comes and goes, and `onRefused` for 401; never returns.
 * A page that nobody sees has no connection, so that the agent need not look at the fleet every second for it.
 */
export async function follow(url, { onEvent, onState, onRefused }) {
  let wait = FIRST_WAIT_MS;
  for (;;) {
    await seen();
    try {
      await read(url, () => {
        wait = FIRST_WAIT_MS;
        onState("live");
        onEvent();
      }, onRefused);
    } catch {
      // whatever it was, it's told below, and tried again
    }
    if (document.hidden) continue;
    onState("lost");
    await new Promise((done) => setTimeout(done, wait));
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  }
}

function seen() {
  return new Promise((done) => (document.hidden ? document.addEventListener("visibilitychange", done, { once: true }) : done()));
}

async function read(url, onEvent, onRefused) {
  const abort = new AbortController();
  const leave = () => document.hidden && abort.abort();
  document.addEventListener("visibilitychange", leave);
  let silence = setTimeout(() => abort.abort(), SILENCE_MS);
  try {
    const response = await ask(url, { signal: abort.signal, headers: { Accept: "text/event-stream" } });
    if (response.status === 401) await onRefused();
    if (!response.ok) return;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(() => abort.abort(), SILENCE_MS);
      const events = (text + value).split(/\r?\n\r?\n/);
      text = events.pop();
      if (events.some((event) => /^data:/m.test(event))) onEvent();
    }
  } finally {
    document.removeEventListener("visibilitychange", leave);
    clearTimeout(silence);
    abort.abort();
  }
}
