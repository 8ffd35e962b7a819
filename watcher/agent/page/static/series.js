// What the charts show of a history: the span, the sum, what is not known, and where a peak would flatten the rest.

export const STEP_SECONDS = 5; // between two samples
const LATE_SECONDS = STEP_SECONDS * 1.5;

const USUAL_SHARE = 0.9; // of all values lie below the usual highest
const PEAK_TIMES = 4; // the usual highest: from here on a peak would flatten the rest
const ROOM_TIMES = 2; // the usual highest: as high as the axis then goes

/** The end of the time axis, in seconds since 1970: the last sample, which there is also while no worker runs. */
export const endOf = (history) => history.at.at(-1) ?? Date.now() / 1000;

/** Time and columns from `from` on. */
export function since(from, at, columns) {
  const first = at.findIndex((each) => each >= from);
  return first < 0 ? { at: [], columns: columns.map(() => []) } : { at: at.slice(first), columns: columns.map((column) => column.slice(first)) };
}

/** The sum at each step; null where nothing is known. */
export function total(columns) {
  return columns[0].map((_, step) => {
    const known = columns.map((column) => column[step]).filter((value) => value !== null);
    return known.length ? known.reduce((sum, value) => sum + value, 0) : null;
  });
}

/** Each column with those before it added, so that they can be drawn as a stack; null where nothing is known. */
export function stacked(columns) {
  const sums = total(columns);
  let below = sums.map(() => 0);
  return columns.map((column) => {
    below = below.map((value, step) => value + (column[step] ?? 0));
    return below.map((value, step) => (sums[step] === null ? null : value));
  });
}

/** The stretches between `from` and `to` of which nothing is known, as pairs of times. */
export function unknown(at, values, from, to) {
  const stretches = [];
  let known = from;
  for (const [step, time] of at.entries()) {
    if (values[step] === null) continue;
    if (time - LATE_SECONDS > known) stretches.push([known, time - STEP_SECONDS]);
    known = Math.max(known, time);
  }
  if (to - known > LATE_SECONDS) stretches.push([known, to]);
  return stretches;
}

/** The height at which peaks are cut off so that they do not flatten the rest; null if there is no such peak. */
export function cut(values) {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  const usual = known[Math.floor((known.length - 1) * USUAL_SHARE)];
  return usual > 0 && known.at(-1) > PEAK_TIMES * usual ? ROOM_TIMES * usual : null;
}

/** The highest step of each stretch of `values` above `height`. */
export function peaks(values, height) {
  const found = [];
  values.forEach((value, step) => {
    if (!(value > height)) return;
    if (!(values[step - 1] > height)) found.push(step);
    else if (value > values[found.at(-1)]) found[found.length - 1] = step;
  });
  return found;
}
