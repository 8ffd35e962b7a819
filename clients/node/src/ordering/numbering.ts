// Recognises when a watcher begins its count of messages again, as watcher/consumer/ordering/numbering.py does; the reasons are
// there. A test compares both, message by message.

import type { Change, PartitionId } from "../change.js";

/** Step of the numbers after a position was set by hand: they go on from a later multiple of this. */
const JUMP = 1_000_000;

/** The highest number of a count, and its event. */
export interface Top {
  readonly number: number;
  readonly event: string | null;
}

const NOTHING: Top = { number: 0, event: null };
const UNSEEN: Top = { number: -1, event: null };

/** The counts of one watcher. 0 is the first one seen here, and each new beginning adds one. */
export class Numbering {
  newest = 0;
  #parted: (count: number, event: string) => void;
  #began: string | null = null;
  #highest = NOTHING;
  /** The highest of the count before the newest, when that began. */
  #before = NOTHING;
  /** Each partition's count, and the highest that it has shown of it. */
  #tops = new Map<PartitionId, { count: number; top: Top }>();

  /**
   * `parted` is called when messages of a count turn out to be of the one after it, with the count and the first of these events.
   */
  constructor(parted: (count: number, event: string) => void) {
    this.#parted = parted;
  }

  /** Forget partitions: when they are read again, it is from an earlier offset. */
  forget(partitions: Iterable<PartitionId>): void {
    for (const partition of partitions) this.#tops.delete(partition);
  }

  /** Return the count that a message belongs to; it must be the next one of its partition. */
  countOf(change: Change): number {
    const seen: Top = { number: change.sequence, event: change.token };
    const { count: before, top } = this.#tops.get(change.source) ?? { count: 0, top: UNSEEN };
    let count = before;
    if (beginsAgain(top, seen)) {
      count += 1;
    } else if (count < this.newest && seen.number < top.number && (seen.event === null || this.#began === null)) {
      count = this.newest;
    }
    if (count < this.newest && (this.#isOfTheNewest(seen.event) || contradict(this.#before, seen))) {
      count = this.newest;
    } else if (count === this.newest && contradict(this.#highest, seen)) {
      count += 1;
    }
    if (count > this.newest) {
      this.#begin(count, seen.event, top);
    } else if (count === this.newest && precedes(seen, this.#highest)) {
      this.part(count, this.#highest.event ?? "", seen);
    }
    if (count === this.newest) this.#note(seen);
    this.#tops.set(change.source, { count, top: count === before ? higher(top, seen) : seen });
    return count;
  }

  /**
   * Part a count: what has this event, or a later one, is of the next count. `older` is a message that is not. Return false if
   * events do not tell these two counts apart.
   */
  part(count: number, event: string, older: Top): boolean {
    if (count < this.newest && this.#began === null) return false;
    const staying = [older];
    const moving = [NOTHING];
    for (const [partition, its] of this.#tops) {
      if (its.count !== count) continue;
      const moves = isFrom(its.top.event, event);
      (moves ? moving : staying).push(its.top);
      this.#tops.set(partition, { count: count + Number(moves), top: its.top });
    }
    if (count === this.newest) {
      (isFrom(this.#highest.event, event) ? moving : staying).push(this.#highest);
      this.newest = count + 1;
      this.#began = event;
      this.#before = highestOf(staying);
      this.#highest = highestOf(moving);
    } else if (count + 1 === this.newest && this.#began !== null) {
      this.#began = event < this.#began ? event : this.#began;
    }
    this.#parted(count, event);
    return true;
  }

  /**
   * Begin a new count after what a partition has shown. If its events are earlier, event ids cannot tell the counts of other
   * partitions apart.
   */
  #begin(count: number, event: string | null, top: Top): void {
    if (event !== null && (isLater(event, top.event) || isLater(event, this.#highest.event))) {
      this.part(this.newest, event, top);
    } else {
      [this.newest, this.#began, this.#before, this.#highest] = [count, null, this.#highest, NOTHING];
    }
  }

  #note(seen: Top): void {
    if (seen.number > this.#highest.number) this.#highest = seen;
    if (this.#began !== null && seen.event !== null && seen.event < this.#began) {
      this.part(this.newest - 1, seen.event, this.#before);
    }
  }

  /** True for an event that is not earlier than those of the newest count. */
  #isOfTheNewest(event: string | null): boolean {
    return this.#began !== null && isFrom(event, this.#began);
  }
}

/** True if no position was set by hand between two numbers of a count: then the higher one has the later event. */
export function isSameBlock(number: number, other: number): boolean {
  return Math.floor(number / JUMP) === Math.floor(other / JUMP);
}

/** True if a message cannot be of the count that its partition has shown this highest number of, not even a repeated one. */
function beginsAgain(top: Top, { number, event }: Top): boolean {
  if (event === null || top.event === null || event === top.event) return false;
  if (number > top.number) return event < top.event && isSameBlock(number, top.number);
  return number === top.number || event > top.event;
}

/** Return the higher one. If it has no event, like a gap, the one known before it still says as much about what follows. */
function higher(top: Top, { number, event }: Top): Top {
  if (number <= top.number) return top;
  return { number, event: event === null && isSameBlock(number, top.number) ? top.event : event };
}

/** True if a later event than that of a count's highest number has a number that is not above it: it is of another count. */
function contradict(highest: Top, { number, event }: Top): boolean {
  return number <= highest.number && isSameBlock(number, highest.number) && isLater(event, highest.event);
}

/**
 * True if an earlier event than that of a count's highest number has a number that is not below it: the highest is of a later one.
 */
function precedes({ number, event }: Top, highest: Top): boolean {
  return number >= highest.number && isSameBlock(number, highest.number) && isLater(highest.event, event);
}

function isLater(event: string | null, other: string | null): boolean {
  return event !== null && other !== null && event > other;
}

function isFrom(event: string | null, first: string): boolean {
  return event !== null && event >= first;
}

function highestOf(tops: Top[]): Top {
  return tops.reduce((best, each) => (each.number > best.number ? each : best));
}
