import type { Change } from "../change.js";

/** The latest `size` handled messages of each watcher. They are kept in memory, so another process does not know them. */
export class RedeliveryWindow {
  #size: number;
  #handled = new Map<string, Map<number, string | null>>();

  constructor(size: number) {
    this.#size = size;
  }

  /**
   * True if the message was handled. Its number alone does not show that: a watcher whose position was deleted begins with 1
   * again.
   */
  has({ watcher, sequence, eventId }: Change): boolean {
    return this.#handled.get(watcher)?.get(sequence) === eventId;
  }

  /** Note that a message was handled. */
  add({ watcher, sequence, eventId }: Change): void {
    let handled = this.#handled.get(watcher);
    if (!handled) this.#handled.set(watcher, (handled = new Map()));
    handled.set(sequence, eventId);
    if (handled.size > this.#size) handled.delete(handled.keys().next().value!);
  }
}
