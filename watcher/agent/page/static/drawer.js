// One message in a drawer beside the table: the content of its own page, which is what its link leads to.

import { ask } from "./ask.js";
import { tell } from "./actions.js";

/** Open the message of the row that was clicked, unless its text is being selected or its link is to open elsewhere. */
export async function openInDrawer(event) {
  const link = event.target.closest("#messages tbody tr")?.querySelector("a");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || !getSelection().isCollapsed) return;
  event.preventDefault();
  const response = await ask(link.href).catch(() => null);
  if (!response) return tell("The agent cannot be reached.");
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const article = page.querySelector("article.message");
  if (!article) return tell(page.querySelector("main p")?.textContent ?? `The agent answered ${response.status}.`);
  const drawer = document.getElementById("drawer");
  drawer.querySelector(".content").replaceChildren(article);
  drawer.showModal();
  drawer.scrollTop = 0;
  drawer.addEventListener("close", () => focusAgain(link), { once: true });
}

/** Focus the link, or the one that stands in its place since messages have been read again; else their table. */
function focusAgain(link) {
  const same = [...document.querySelectorAll("#messages tbody a")].find((each) => each.href === link.href);
  (same ?? document.querySelector("#messages .scroll")).focus({ preventScroll: true });
}
