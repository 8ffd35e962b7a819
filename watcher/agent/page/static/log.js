// Following the log: while the reader does not, its lines stay as they are. Whoever asks for other lines follows again.

export function followLog() {
  document.addEventListener("input", (event) => {
    const following = document.getElementById("follow-log");
    if (event.target.form !== following?.form) return;
    if (event.target !== following) following.checked = true;
    document.getElementById("log").toggleAttribute("data-keep", !following.checked);
  });
}
