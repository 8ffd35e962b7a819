// One run of a consumer: the loop that takes messages from Kafka to the handlers, and offsets back to Kafka.

import { setImmediate as others, setTimeout as wait } from "node:timers/promises";

import type { Kafka } from "kafkajs";

import { Attempts, Stopped } from "./delivery/attempts.js";
import { DeadLetters } from "./delivery/dead-letters.js";
import { type ConsumerCounts, Dispatcher } from "./delivery/dispatcher.js";
import { textOf } from "./errors.js";
import { Intake } from "./intake.js";
import { causeOf } from "./kafka/kafka-errors.js";
import { LogEnds } from "./kafka/log-ends.js";
import type { Log } from "./log.js";
import { Offsets } from "./offsets/handled.js";
import { type ConsumerOptions, deadLettersOf } from "./options.js";
import { SequenceOrder } from "./ordering/sequence-order.js";
import type { Routes } from "./registration/routes.js";
import { Signal } from "./signal.js";

/** Longest time that nothing wakes the loop, in milliseconds. */
const IDLE_MS = 500;
/** The same while messages wait for Kafka's answer, and the least time between two questions. */
const HELD_BACK_MS = 5;
/** Longest time that messages are handled before the event loop may do something else, such as heartbeats, in milliseconds. */
const TURN_MS = 20;

/** What a session is made of. */
export interface SessionParts {
  readonly kafka: Kafka;
  readonly groupId: string;
  readonly topics: readonly (string | RegExp)[];
  readonly routes: Routes;
  readonly options: ConsumerOptions;
  readonly counts: ConsumerCounts;
  readonly log: Log;
  readonly stopping: AbortSignal;
}

/** The parts of a consumer that live as long as one `run`. */
export class Session {
  readonly #parts: SessionParts;
  readonly #order: SequenceOrder;
  readonly #dispatcher: Dispatcher;
  readonly #deadLetters: DeadLetters;
  readonly #ends: LogEnds;
  readonly #intake: Intake;
  readonly #signal = new Signal();
  #isUnfinished = false;
  #isCommitting = false;
  #nextCommitMs = 0;
  #isAsking = false;
  #nextQuestionMs = 0;

  constructor(parts: SessionParts) {
    const { kafka, groupId, options, log } = parts;
    const offsets = new Offsets();
    const attempts = new Attempts(
      options,
      log,
      (milliseconds) => this.#pause(milliseconds),
      (changes) => offsets.ours(changes),
    );
    this.#parts = parts;
    this.#deadLetters = new DeadLetters(deadLettersOf(options, groupId), kafka, groupId, log);
    this.#dispatcher = new Dispatcher({ ...parts, offsets, deadLetters: this.#deadLetters, attempts });
    this.#order = new SequenceOrder({
      waitMs: options.orderWaitMs,
      bufferBytes: options.bufferBytes,
      ordered: options.ordered,
      log,
      isRepeated: (change) => this.#dispatcher.isRepeated(change),
      beganAgain: (change) => this.#intake.noteNewCount(change),
    });
    this.#ends = new LogEnds(kafka, groupId);
    const targets = { order: this.#order, offsets, dispatcher: this.#dispatcher, ends: this.#ends, signal: this.#signal };
    this.#intake = new Intake(parts, this.#deadLetters.topic, targets);
  }

  /** Run until `stopping`. However it ends, it commits the offsets of the handled messages and leaves the group. */
  async run(): Promise<void> {
    const { stopping } = this.#parts;
    const { feed } = this.#intake;
    const wake = () => this.#signal.wake();
    stopping.addEventListener("abort", wake);
    const feeding = this.#intake.run();
    try {
      await this.#pump();
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
    } finally {
      stopping.removeEventListener("abort", wake);
      await this.#intake.commit();
      feed.close();
      await feeding;
      await Promise.allSettled([feed.disconnect(), this.#ends.close(), this.#deadLetters.close()]);
    }
  }

  async #pump(): Promise<void> {
    while (!this.#parts.stopping.aborted) {
      this.#intake.check();
      this.#order.beginRound(this.#signal.listenedMs);
      await this.#intake.takeForeign();
      await this.#handleForATurn();
      this.#intake.holdBack();
      this.#commitIfDue();
      this.#askIfUnclear();
      if (this.#isUnfinished) await others();
      else await this.#signal.wait(this.#patienceMs());
    }
  }

  async #handleForATurn(): Promise<void> {
    const { stopping } = this.#parts;
    const end = performance.now() + TURN_MS;
    this.#isUnfinished = false;
    for (const change of this.#order.ready()) {
      await this.#dispatcher.take(change);
      this.#isUnfinished = performance.now() >= end;
      if (this.#isUnfinished || stopping.aborted) break;
    }
    if (!stopping.aborted) await this.#dispatcher.flushDue();
  }

  #patienceMs(): number {
    const due = this.#dispatcher.nextDueMs - performance.now();
    return Math.max(0, Math.min(this.#order.isHolding ? HELD_BACK_MS : IDLE_MS, due));
  }

  #commitIfDue(): void {
    const now = performance.now();
    if (now < this.#nextCommitMs || this.#isCommitting) return;
    this.#nextCommitMs = now + this.#parts.options.commitEveryMs;
    this.#isCommitting = true;
    void this.#intake.commit().then(() => (this.#isCommitting = false));
  }

  /**
   * Ask for the ends of the partitions that a message waits for, with one request at a time. One answer serves all that have
   * arrived.
   */
  #askIfUnclear(): void {
    const now = performance.now();
    if (this.#isAsking || now < this.#nextQuestionMs) return;
    const unclear = this.#order.unclear();
    if (unclear.size === 0) return;
    [this.#isAsking, this.#nextQuestionMs] = [true, now + HELD_BACK_MS];
    const [round, generation] = [this.#order.round, this.#intake.generation];
    const asking = this.#ends.ends(unclear).then(
      (ends) => {
        if (generation === this.#intake.generation) this.#order.answer(round, ends);
      },
      (error: unknown) => this.#parts.log.debug(`Kafka does not tell the ends of partitions: ${textOf(causeOf(error))}`),
    );
    void asking.then(() => {
      this.#isAsking = false;
      this.#signal.wake();
    });
  }

  /** Wait until a handler's next attempt. Throws Stopped. */
  async #pause(milliseconds: number): Promise<void> {
    await wait(milliseconds, undefined, { signal: this.#parts.stopping }).catch(() => {
      throw new Stopped();
    });
  }
}
