// Links and forms with `data-in-place` choose what of this page is shown. With JavaScript that happens without leaving it, so
// what is open, focused and scrolled to stays. The URL always has the choice.

const TYPING_MS = 150;

/** `refresh()` asks for the page of the present URL. */
export function choosing(refresh) {
  let typing = null;
  const show = () => refresh().catch(() => location.reload());
  const go = (url) => {
    clearTimeout(typing);
    history.pushState(null, "", url);
    show();
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-in-place]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(link.href);
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-in-place]")) return;
    event.preventDefault();
    go(address(event.target));
  });
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-in-place]");
    if (!form) return;
    clearTimeout(typing);
    typing = setTimeout(() => {
      history.replaceState(null, "", address(form));
      show();
    }, TYPING_MS);
  });
  document.addEventListener("keydown", focusFilter);
  addEventListener("popstate", show);
}

/** The present URL with the form's values; what is empty is left out. */
function address(form) {
  const query = new URLSearchParams(location.search);
  for (const { name } of form.elements) query.delete(name);
  for (const [name, value] of new FormData(form)) if (value) query.append(name, value);
  return location.pathname + (query.size ? `?${query}` : "");
}

function focusFilter(event) {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, dialog")) return;
  const filter = document.querySelector('[aria-keyshortcuts="/"]');
  if (!filter) return;
  event.preventDefault();
  filter.focus();
  filter.select();
}
