// Start, stop, restart: with the token, and stop and restart only when they are confirmed.

import { ask, token } from "./ask.js";

const NOTICE_MS = 6000;

/** Answer the buttons below `main()`. */
export function controls(main) {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-action]");
    if (button && main().contains(button)) act(button);
    event.target.closest("button[data-cancel]")?.closest("dialog").close("cancel");
  });
}

async function act(button) {
  const { watcher: name, headroom } = button.closest(".actions").dataset;
  const { action } = button.dataset;
  if (action !== "start" && !(await confirmed(name, action, headroom))) return;
  if (!token.get() && !(await askForToken())) return;
  button.disabled = true;
  try {
    await send(name, action);
  } finally {
    button.disabled = false;
  }
}

async function send(name, action, refused = false) {
  const response = await ask(`/api/watchers/${encodeURIComponent(name)}/${action}`, { method: "POST" }).catch(() => null);
  if (response?.status === 401) {
    token.forget();
    document.dispatchEvent(new Event("token"));
    if (await askForToken(true)) await send(name, action, true);
  } else if (response?.ok) {
    const { state } = await response.json().catch(() => ({}));
    tell(`${name}: ${state ? state.replaceAll("_", " ") : `${action} was accepted`}`);
  } else {
    tell(`${name}: ${action} failed. ${await reason(response)}`);
  }
}

async function reason(response) {
  if (!response) return "The agent cannot be reached.";
  const told = await response.json().catch(() => ({}));
  return [told.error ?? `The agent answered ${response.status}.`, told.hint].filter(Boolean).join(" ");
}

async function confirmed(name, action, headroom) {
  const [title, verb] = action === "stop" ? ["Stop", "stays down until it is started again"] : ["Restart", "is stopped, and started again"];
  const safe = headroom === "-" ? "" : ` It can be away for ${headroom} before MongoDB's oplog no longer holds its position.`;
  document.getElementById("confirm-title").textContent = `${title} ${name}?`;
  document.getElementById("confirm-text").textContent = `The worker finishes its transaction and ${verb}; nothing is lost.${safe}`;
  document.getElementById("confirm-ok").textContent = title;
  return (await answer("confirm-dialog")) === "ok";
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

function tell(text) {
  const notice = document.getElementById("notice");
  notice.textContent = text;
  notice.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => (notice.hidden = true), NOTICE_MS);
}
