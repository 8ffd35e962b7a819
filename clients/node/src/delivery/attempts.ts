import type { Change } from "../change.js";
import { Reject, textOf } from "../errors.js";
import type { Log } from "../log.js";
import type { ConsumerOptions } from "../options.js";
import { Watch } from "./watch.js";

export type Call = (changes: Change[]) => unknown;

/** The consumer was told to stop while it waited. */
export class Stopped extends Error {}

/** What became of a call: the changes that are still ours, and the last error if every attempt failed. */
export interface Outcome {
  readonly changes: Change[];
  readonly failure: { readonly error: unknown } | null;
}

/** Calls a handler until it succeeds or has used up its attempts. */
export class Attempts {
  /**
   * `pause` waits for so many milliseconds, and throws Stopped. `ours` filters out the changes whose partitions have been revoked
   * meanwhile.
   */
  constructor(
    private readonly options: ConsumerOptions,
    private readonly log: Log,
    readonly pause: (milliseconds: number) => Promise<void>,
    private readonly ours: (changes: Change[]) => Change[],
  ) {}

  /** Call the handler with the changes, several times if need be. Throws Stopped. */
  async call(handler: Call, changes: Change[]): Promise<Outcome> {
    for (let attempt = 1; ; attempt++) {
      const watch = new Watch(this.options, this.log, changes[0]!);
      let failure: unknown;
      try {
        await handler(changes);
        return { changes, failure: null };
      } catch (error) {
        if (error instanceof Reject || attempt === this.options.attempts) return { changes, failure: { error } };
        failure = error;
      } finally {
        watch.end();
      }
      await this.#wait(attempt, failure, changes[0]!); // unwatched: no handler is at work
      changes = this.ours(changes);
      if (changes.length === 0) return { changes, failure: null };
    }
  }

  async #wait(attempt: number, error: unknown, change: Change): Promise<void> {
    const milliseconds = Math.min(this.options.backoffMs * 2 ** Math.min(attempt - 1, 30), this.options.longestBackoffMs);
    this.log.warn(`attempt ${attempt} at ${change} failed; the next in ${milliseconds / 1000} s: ${textOf(error)}`);
    await this.pause(milliseconds);
  }
}
