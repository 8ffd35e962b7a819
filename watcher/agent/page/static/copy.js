// Copies a text, or where a link leads to, to the clipboard.

import { tell } from "./actions.js";

export async function copy(element) {
  const text = element.href ?? element.textContent;
  tell((await isWritten(text)) || isCopied(element, text) ? "Copied." : "The browser does not permit it; select the text and copy it.");
}

/** The clipboard is there for pages that come by TLS or from this host. */
async function isWritten(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** The way of other pages: a field beside the element, whose text is selected. */
function isCopied(element, text) {
  const field = Object.assign(document.createElement("textarea"), { value: text, className: "unseen" });
  const focused = document.activeElement;
  element.after(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return done;
}
