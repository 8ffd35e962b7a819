// Changes that are being collected for handlers that take several at once.

import type { Change } from "../change.js";
import type { Route } from "../registration/routes.js";
import { identity } from "./redelivery.js";

/** The changes collected for one handler. `dueMs` is the time at which they are handed over, even if the batch is not full. */
export interface HandlerBatch {
  readonly route: Route;
  readonly dueMs: number;
  readonly changes: Change[];
  readonly collections: Set<string>;
}

/** The open batches, at most one for each handler. Times named `nowMs` are milliseconds of any one clock. */
export class Batches {
  #open = new Map<Route, HandlerBatch>();
  #waiting = new Map<string, string>();

  /** True if the same message, from an earlier record, already waits in a batch. */
  has(change: Change): boolean {
    return this.#waiting.get(numberOf(change)) === identity(change);
  }

  /** Add a change to the batch of its handler, and return the batch. */
  add(route: Route, change: Change, nowMs: number): HandlerBatch {
    let batch = this.#open.get(route);
    if (!batch) this.#open.set(route, (batch = { route, dueMs: nowMs + route.waitMs, changes: [], collections: new Set() }));
    batch.changes.push(change);
    batch.collections.add(collectionOf(change));
    this.#waiting.set(numberOf(change), identity(change));
    return batch;
  }

  /**
   * The batches that must be handed over before this change, to keep the order: those of other handlers that hold changes of the
   * same collection. Before a message without a collection, such as a control message, all of them are.
   */
  before(change: Change, route: Route | null): HandlerBatch[] {
    if (this.#open.size === 0) return [];
    const own = collectionOf(change);
    return [...this.#open.values()].filter(
      (batch) => batch.route !== route && (change.collection === null || batch.collections.has(own)),
    );
  }

  /** The batches that have waited long enough. */
  due(nowMs: number): HandlerBatch[] {
    return [...this.#open.values()].filter((batch) => batch.dueMs <= nowMs);
  }

  /** The time at which the next batch is due; Infinity without batches. */
  get nextDueMs(): number {
    return Math.min(...[...this.#open.values()].map(({ dueMs }) => dueMs));
  }

  /** Remove a batch, which goes to its handler now. The next change for that handler begins a new one. */
  close(batch: HandlerBatch): void {
    this.#open.delete(batch.route);
    for (const change of batch.changes) this.#waiting.delete(numberOf(change));
  }

  /** Drop everything: the partitions may be with another member. */
  clear(): void {
    this.#open.clear();
    this.#waiting.clear();
  }
}

function numberOf({ sequence, watcher }: Change): string {
  return `${sequence} ${watcher}`;
}

function collectionOf({ database, collection }: Change): string {
  return `${database}\0${collection ?? "\0"}`;
}
