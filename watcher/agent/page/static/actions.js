// What changes a watcher or its snapshot: with the token, and what ends something only when it is confirmed.

import { ask, token } from "./ask.js";

const NOTICE_MS = 6000;
const LONG_NOTICE_MS = 15000; // an error with its hint takes longer to read

/** Answer the buttons below `main()`. */
export function controls(main) {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-action]");
    if (button && main().contains(button)) act(button);
    event.target.closest("button[data-cancel]")?.closest("dialog").close("cancel");
  });
}

/** What is asked before an action: each answers with the request's body, or null if it was cancelled. */
const QUESTIONS = {
  stop: (name, headroom) => confirmed("Stop", name, leaving("stays down until it is started again", headroom)),
  restart: (name, headroom) => confirmed("Restart", name, leaving("is stopped, and started again", headroom)),
  "snapshot/start": chosen,
  "snapshot/stop": (name) =>
    confirmed("Stop", `the snapshot of ${name}`, "What was copied stays in Kafka, but it will not be complete, and consumers are told so. It cannot go on later: another one begins anew. To let it rest, pause it."),
};

async function act(button) {
  const { watcher: name, headroom } = button.closest(".actions").dataset;
  const { action } = button.dataset;
  const body = await (QUESTIONS[action]?.(name, headroom) ?? "");
  if (body === null) return;
  if (!token.get() && !(await askForToken())) return;
  button.disabled = true;
  try {
    await send(name, action, body);
  } finally {
    button.disabled = false;
  }
}

async function send(name, action, body) {
  const words = action.replace("/", " ");
  tell(`${name}: ${words}…`, LONG_NOTICE_MS);
  const response = await ask(`/api/watchers/${encodeURIComponent(name)}/${action}`, { method: "POST", body }).catch(() => null);
  if (response?.status === 401) {
    token.forget();
    document.dispatchEvent(new Event("token"));
    if (await askForToken(true)) await send(name, action, body);
  } else if (response?.ok) {
    const told = await response.json().catch(() => ({}));
    const done = told.done ?? told.state?.replaceAll("_", " ") ?? `${words} was accepted`;
    tell(`${name}: ${[done, told.note].filter(Boolean).join("; ")}`);
  } else {
    tell(`${name}: ${words} failed. ${await reason(response)}`, LONG_NOTICE_MS);
  }
}

async function reason(response) {
  if (!response) return "The agent cannot be reached.";
  const told = await response.json().catch(() => ({}));
  return [told.error ?? `The agent answered ${response.status}.`, told.hint].filter(Boolean).join(" ");
}

function leaving(verb, headroom) {
  const safe = headroom === "-" ? "" : ` It can be away for ${headroom} before MongoDB's oplog no longer holds its position.`;
  return `The worker finishes its transaction and ${verb}; nothing is lost.${safe}`;
}

async function confirmed(title, what, text) {
  document.getElementById("confirm-title").textContent = `${title} ${what}?`;
  document.getElementById("confirm-text").textContent = text;
  document.getElementById("confirm-ok").textContent = title;
  return (await answer("confirm-dialog")) === "ok" ? "" : null;
}

/** What a snapshot is to copy. */
async function chosen(name) {
  document.getElementById("snapshot-dialog-title").textContent = `Start a snapshot of ${name}?`;
  const dialog = document.getElementById("snapshot-dialog");
  dialog.querySelector("form").reset();
  if ((await answer("snapshot-dialog")) !== "ok") return null;
  const lines = document.getElementById("snapshot-collections").value.split("\n");
  const operation = dialog.querySelector("input[name=snapshot-operation]:checked").value;
  return JSON.stringify({ collections: lines.map((line) => line.trim()).filter(Boolean), operation });
}

async function askForToken(refused = false) {
  const input = document.getElementById("token");
  input.value = "";
  document.getElementById("token-refused").hidden = !refused;
  const isGiven = (await answer("token-dialog")) === "ok" && input.value;
  if (isGiven) token.set(input.value);
  input.value = "";
  document.dispatchEvent(new Event("token"));
  return Boolean(isGiven);
}

/** The button with which a dialog was left; Escape is "cancel". */
function answer(id) {
  const dialog = document.getElementById(id);
  dialog.returnValue = "cancel";
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue), { once: true }));
}

let hiding = null;

/** Say something for a moment. */
export function tell(text, ms = NOTICE_MS) {
  const notice = document.getElementById("notice");
  notice.textContent = text;
  notice.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => (notice.hidden = true), ms);
}
