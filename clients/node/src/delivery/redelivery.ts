import type { Change } from "../change.js";

/** What tells a message from another with its number, also without an event id: a count may begin again with a snapshot. */
export function identity({ eventId, operation, message, snapshot }: Change): string {
  return eventId || `${operation} ${message["timestamp"]} ${snapshot}`;
}

/** The latest `size` handled messages of each watcher. They are kept in memory, so another process does not know them. */
export class RedeliveryWindow {
  #size: number;
  #handled = new Map<string, Map<number, string>>();

  constructor(size: number) {
    this.#size = size;
  }

  /**
   * True if the message was handled. Its number alone does not show that: a watcher whose position was deleted begins with 1
   * again.
   */
  has(change: Change): boolean {
    return this.#handled.get(change.watcher)?.get(change.sequence) === identity(change);
  }

  /** Note that a message was handled. */
  add(change: Change): void {
    const { watcher, sequence } = change;
    let handled = this.#handled.get(watcher);
    if (!handled) this.#handled.set(watcher, (handled = new Map()));
    handled.set(sequence, identity(change));
    if (handled.size > this.#size) handled.delete(handled.keys().next().value!);
  }
}
