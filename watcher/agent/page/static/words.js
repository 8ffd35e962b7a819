// Durations in the words of watcher/terminal/durations.py; a test holds the two together.

const UNITS = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];

/** The two largest units: `3d4h`, `12s`; below ten seconds with a tenth. */
export function secondsInWords(seconds) {
  if (seconds === null || seconds === undefined) return "-";
  if (seconds < 10) return `${Math.max(seconds, 0).toFixed(1)}s`;
  let rest = Math.floor(seconds);
  const parts = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    rest %= size;
    if (count || parts.length) parts.push(count ? `${count}${unit}` : "");
  }
  return parts.slice(0, 2).join("");
}

/** Times that tick, and times of day, below `root`. `now` is the agent's clock in milliseconds. */
export function showTimes(root, now) {
  for (const time of root.querySelectorAll("time[data-ago]")) {
    setText(time, `${secondsInWords((now - Date.parse(time.dateTime)) / 1000)} ago`);
  }
  for (const time of root.querySelectorAll("time[data-clock]")) {
    setText(time, clock(time.dateTime));
    time.title = time.dateTime;
  }
}

/** The time of day here; with the date if it's not today's. */
export function clock(iso) {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return iso;
  const today = at.toDateString() === new Date().toDateString();
  const time = at.toLocaleTimeString("en-GB");
  return today ? time : `${at.toLocaleDateString("en-CA")} ${time}`;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
