// Calls the handlers with messages, one by one or in batches, and keeps account of the messages that are done.

import { type Change, gapBefore, gapOf, type KafkaRecord, NO_OFFSET, partitionId } from "../change.js";
import { ForeignMessage, HandlerFailed, textOf } from "../errors.js";
import type { Log } from "../log.js";
import type { Offsets } from "../offsets/handled.js";
import { GAP, TOMBSTONE } from "../operations.js";
import type { ConsumerOptions } from "../options.js";
import { REMEMBERED, type Route, type Routes } from "../registration/routes.js";
import type { Attempts, Call } from "./attempts.js";
import { Batches, type HandlerBatch } from "./batches.js";
import type { DeadLetters } from "./dead-letters.js";
import { RedeliveryWindow } from "./redelivery.js";
import { sideBySide } from "./side-by-side.js";

/** Numbers of messages since the start, by what was done with them. */
export interface ConsumerCounts {
  handled: number;
  repeated: number;
  unrouted: number;
  foreign: number;
  deadLettered: number;
}

/** The parts that a dispatcher works with. */
export interface DispatcherParts {
  readonly routes: Routes;
  readonly options: ConsumerOptions;
  readonly offsets: Offsets;
  readonly deadLetters: DeadLetters;
  readonly attempts: Attempts;
  readonly counts: ConsumerCounts;
  readonly log: Log;
}

/** Takes a message when it is its turn, up to the point where its offset may be committed. */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  #redeliveries: RedeliveryWindow;
  #batches = new Batches();
  #missing = new Map<string, string>();
  #passedOver = new Set<string>();

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    this.#redeliveries = new RedeliveryWindow(parts.options.redeliveryWindow);
  }

  /** True if the same message was handled already, or waits in a batch. */
  isRepeated(change: Change): boolean {
    return this.#redeliveries.has(change) || this.#batches.has(change);
  }

  /** Report a gap before this message when its turn comes. */
  missingBefore(change: Change, reason: string): void {
    const earlier = this.#missing.get(placeOf(change));
    this.#missing.set(placeOf(change), earlier ? `${earlier}; ${reason}` : reason);
  }

  /** Take a message whose turn it is. Throws HandlerFailed, DeadLetterFailed or Stopped. */
  async take(change: Change): Promise<void> {
    const { counts, offsets, routes, log } = this.#parts;
    const reason = this.#missing.size > 0 && this.#missing.get(placeOf(change));
    if (reason) {
      this.#missing.delete(placeOf(change));
      await this.#tell(gapBefore(change, reason));
      if (offsets.ours([change]).length === 0) return;
    }
    if (change.operation === TOMBSTONE) return offsets.handled(change.source, change.offset); // handlers have had the delete
    if (this.isRepeated(change)) {
      counts.repeated++;
      return offsets.handled(change.source, change.offset);
    }
    const route = routes.find(change);
    if (!(await this.#flushBefore(change, route))) return;
    if (change.operation === GAP) log.warn(`${change.watcher}: changes are missing: ${gapOf(change).reason}`);
    if (!route) return this.#passOver(change);
    if (route.batchSize === 0) return this.#call(route.handler, [change]);
    const batch = this.#batches.add(route, change, performance.now());
    if (batch.changes.length >= route.batchSize) await this.#flush(batch);
  }

  /** Take a record that no watcher has written. Throws ForeignMessage or DeadLetterFailed. */
  async takeForeign(record: KafkaRecord, reason: string): Promise<void> {
    const { counts, options, deadLetters, offsets, log } = this.#parts;
    counts.foreign++;
    const where = `${record.topic}, partition ${record.partition}, offset ${record.offset}`;
    if (!record.value?.length) {
      log.debug(`an empty record is passed over: ${where}`);
    } else if (options.onForeign === "stop") {
      throw new ForeignMessage(`${where}: ${reason}.`, { hint: 'Set onForeign to "skip" or "dead-letter" to go on.' });
    } else {
      log.warn(`not a watcher's message (${options.onForeign}): ${where}: ${reason}`);
      if (options.onForeign === "dead-letter") await deadLetters.send(record, reason);
    }
    offsets.handled(partitionId(record.topic, record.partition), record.offset);
  }

  /** Hand over the batches that have waited long enough. */
  async flushDue(): Promise<void> {
    for (const batch of this.#batches.due(performance.now())) await this.#flush(batch);
  }

  /** Time at which the next batch is due, by performance.now(); Infinity without batches. */
  get nextDueMs(): number {
    return this.#batches.nextDueMs;
  }

  /** Forget what waits: the partitions may be with another member. */
  revoke(): void {
    this.#batches.clear();
    this.#missing.clear();
  }

  /** Report a gap that this consumer has found; it is already in the log. It goes alone, after all that was collected. */
  async #tell(gap: Change): Promise<void> {
    const route = this.#parts.routes.find(gap);
    if (!(await this.#flushBefore(gap, null))) return;
    if (route) await this.#call(route.handler, [gap]);
    else this.#done(gap);
  }

  /** Pass over a message that no handler takes. It is logged once for each kind, because a name may have been misspelled. */
  #passOver(change: Change): void {
    this.#parts.counts.unrouted++;
    const kind = `${change.operation}${change.collection === null ? "" : ` of ${change.collection}`}`;
    if (!this.#passedOver.has(kind) && this.#passedOver.size < REMEMBERED) {
      this.#passedOver.add(kind);
      const near = this.#parts.routes.similar(change);
      const hint = near ? `; there is one for "${near}"` : "";
      this.#parts.log.warn(`no handler takes ${kind}, so such messages are passed over${hint}`);
    }
    this.#done(change);
  }

  /**
   * Hand over the batches that come before a change. True if the change is still ours afterwards: meanwhile its partition may
   * have gone to another member.
   */
  async #flushBefore(change: Change, route: Route | null): Promise<boolean> {
    const batches = this.#batches.before(change, route);
    for (const batch of batches) await this.#flush(batch);
    return batches.length === 0 || this.#parts.offsets.ours([change]).length > 0;
  }

  async #flush(batch: HandlerBatch): Promise<void> {
    this.#batches.close(batch);
    const changes = this.#parts.offsets.ours(batch.changes);
    const { handler, concurrency } = batch.route;
    if (changes.length === 0) return;
    if (concurrency > 0) await sideBySide(changes, concurrency, (change) => this.#callIfOurs(handler, change));
    else await this.#call(handler, changes);
  }

  async #call(handler: Call, given: Change[]): Promise<void> {
    const { changes, failure } = await this.#parts.attempts.call(handler, given);
    if (failure === null) {
      this.#parts.counts.handled += changes.length;
      for (const change of changes) this.#done(change);
    } else if (changes.length > 1) {
      for (const change of changes) {
        await this.#parts.attempts.pause(0); // throws Stopped
        await this.#callIfOurs(handler, change); // one bad message must not affect the others
      }
    } else {
      await this.#giveUp(changes[0]!, failure.error);
    }
  }

  async #callIfOurs(handler: Call, change: Change): Promise<void> {
    if (this.#parts.offsets.ours([change]).length > 0) await this.#call(handler, [change]);
  }

  async #giveUp(change: Change, error: unknown): Promise<void> {
    const { options, deadLetters, counts, log } = this.#parts;
    if (options.onError === "stop") {
      const hint = "Its offset is not committed: the next start begins with it.";
      throw new HandlerFailed(`The handler failed with ${change}: ${textOf(error)}`, { hint, cause: error });
    }
    log.error(`${change} goes to ${deadLetters.topic}: ${textOf(error)}`);
    await deadLetters.send(change.record, textOf(error), error);
    counts.deadLettered++;
    this.#done(change);
  }

  #done(change: Change): void {
    if (change.offset !== NO_OFFSET) this.#redeliveries.add(change);
    this.#parts.offsets.handled(change.source, change.offset);
  }
}

function placeOf({ source, offset }: Change): string {
  return `${source} ${offset}`;
}
