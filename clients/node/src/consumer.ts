import kafkajs, { type KafkaConfig, type LogEntry } from "kafkajs";

import { type Change, type Gap, gapOf } from "./change.js";
import type { ConsumerCounts } from "./delivery/dispatcher.js";
import { readEnvironment } from "./environment.js";
import { ConfigurationError } from "./errors.js";
import { addCodecs } from "./kafka/codecs.js";
import { checkDeadLetterTopic, checkTopics } from "./kafka/names.js";
import { type Log, STDERR } from "./log.js";
import { ANY, GAP, SNAPSHOT_ABORTED, SNAPSHOT_COLLECTION_COMPLETED, SNAPSHOT_COMPLETED, SNAPSHOT_STARTED } from "./operations.js";
import { checkedOptions, type ConsumerOptions, deadLettersOf } from "./options.js";
import { type Route, Routes } from "./registration/routes.js";
import { type CheckedSelection, checkedSelection, checkHandler, type Selection } from "./registration/selection.js";
import { Session } from "./session.js";
import { abortedOf, SnapshotCompleted, startedOf, type SnapshotAborted, type SnapshotStarted } from "./snapshots.js";

/** Function that is called with what a consumer has read. What it returns is awaited, and ignored. */
export type Handler<T> = (value: T) => unknown;

/** Messages for a handler of batches. */
export type BatchSelection = Selection | (Exclude<Selection, string> & { size?: number; waitMs?: number });
/** Messages for a handler of single changes. `concurrency`: number of documents whose changes are handled side by side. */
export type SingleSelection = Selection | (Exclude<Selection, string> & { concurrency?: number });

const BATCH_SIZE = 500;
const BATCH_WAIT_MS = 100;
/** Changes that are collected for each document that is handled at once: several may be of the same one. */
const CHANGES_PER_DOCUMENT = 8;
/** kafkajs's own retries are few, because nothing ends them; the consumer goes on by itself. */
const FEW_RETRIES = { retries: 2 };
const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;

/** What a consumer needs to know. */
export interface ConsumerConfig {
  brokers: string[];
  groupId: string;
  /** Names, and regular expressions for names. */
  topics: (string | RegExp)[];
  options?: Partial<ConsumerOptions>;
  /** Further settings of kafkajs's client, such as `ssl` and `sasl`. */
  kafka?: Partial<KafkaConfig>;
  /** Receiver of log lines; without it, warnings and errors go to stderr. */
  log?: Log;
}

/**
 * Reads the messages of watchers and calls a handler with each one, in order, and again if the handler fails. A message's offset is
 * committed after its handler has returned, so a handler sees every message at least once.
 */
export class DatabaseChangeConsumer {
  /** Numbers of messages since the start, by what was done with them. */
  readonly counts: ConsumerCounts = { handled: 0, repeated: 0, unrouted: 0, foreign: 0, deadLettered: 0 };
  readonly #config: ConsumerConfig;
  readonly #options: ConsumerOptions;
  readonly #routes = new Routes();
  readonly #stopping = new AbortController();

  /** Throws ConfigurationError. */
  constructor(config: ConsumerConfig) {
    const { brokers, groupId, topics } = config;
    if (!brokers?.length || !groupId || !topics?.length) {
      throw new ConfigurationError("brokers, groupId and topics must not be empty");
    }
    const others = Object.keys(config.kafka ?? {}).find((name) => name.includes("."));
    if (others) {
      const hint = "kafkajs would not heed it: it has settings of its own, such as ssl and sasl.";
      throw new ConfigurationError(`${others} in the argument kafka, or in $KAFKA, is a property of librdkafka`, { hint });
    }
    this.#config = config;
    this.#options = checkedOptions(config.options ?? {});
    checkTopics(topics);
    const deadLetters = deadLettersOf(this.#options, groupId);
    if (topics.includes(deadLetters)) {
      throw new ConfigurationError(`${deadLetters} is where this consumer's own dead letters go: another groupId reads them`);
    }
    if ([this.#options.onError, this.#options.onForeign].includes("dead-letter")) checkDeadLetterTopic(deadLetters, topics);
  }

  /**
   * Make a consumer from environment variables: KAFKA_BROKERS, KAFKA_GROUP_ID, KAFKA_TOPIC_INSERT, _UPDATE, _DELETE and _CONTROL,
   * KAFKA_DB_CHANGES_TOPIC, and KAFKA with kafkajs's settings as JSON. Throws ConfigurationError.
   */
  static fromEnv(environment = process.env, rest: Pick<ConsumerConfig, "options" | "log"> = {}): DatabaseChangeConsumer {
    return new DatabaseChangeConsumer({ ...readEnvironment(environment), ...rest });
  }

  /**
   * Register a handler for the changes of a collection, one at a time. A message goes to one handler only: a name takes
   * precedence over a glob, and a glob over `*`. Throws an Error if there is a handler already, and for an operation that no
   * watcher has.
   */
  on<T = Record<string, any>>(selection: SingleSelection, handler: Handler<Change<T>>): this {
    const { concurrency = 1 } = typeof selection === "string" ? {} : (selection as { concurrency?: number });
    const batch = concurrency > 1 ? { concurrency, batchSize: concurrency * CHANGES_PER_DOCUMENT } : {};
    this.#add(checkedSelection(selection, ["concurrency"]), handler, ([change]) => handler(change as Change<T>), batch);
    return this;
  }

  /**
   * Register a handler for several changes at once: at most `size`, the first of which has waited about `waitMs` milliseconds.
   */
  onBatch<T = Record<string, any>>(selection: BatchSelection, handler: Handler<Change<T>[]>): this {
    const given = typeof selection === "string" ? {} : (selection as { size?: number; waitMs?: number });
    const { size: batchSize = BATCH_SIZE, waitMs = BATCH_WAIT_MS } = given;
    if (batchSize < 1 || waitMs < 0) throw new Error("size must be at least 1, and waitMs must not be negative");
    const selected = checkedSelection(selection, ["size", "waitMs"]);
    this.#add(selected, handler, (changes) => handler(changes as Change<T>[]), { batchSize, waitMs });
    return this;
  }

  /** Register a handler for gaps, which tell of missing changes. The control topic must be among `topics`. */
  onGap(handler: Handler<Gap>): this {
    return this.#onControl(handler, gapOf, GAP);
  }

  /** Register a handler for beginnings of snapshots. The control topic must be among `topics`. */
  onSnapshotStarted(handler: Handler<SnapshotStarted>): this {
    return this.#onControl(handler, startedOf, SNAPSHOT_STARTED);
  }

  /**
   * Register a handler for the ends of snapshots: it is called for each collection, and once more when everything is copied. The
   * control topic must be among `topics`.
   */
  onSnapshotCompleted(handler: Handler<SnapshotCompleted>): this {
    return this.#onControl(handler, (change) => new SnapshotCompleted(change), SNAPSHOT_COLLECTION_COMPLETED, SNAPSHOT_COMPLETED);
  }

  /** Register a handler for snapshots that end early. The control topic must be among `topics`. */
  onSnapshotAborted(handler: Handler<SnapshotAborted>): this {
    return this.#onControl(handler, abortedOf, SNAPSHOT_ABORTED);
  }

  /**
   * Register a handler for all messages that no other handler takes: those of other collections, and operations that were added
   * after this release.
   */
  onOther(handler: Handler<Change>): this {
    checkHandler(handler);
    this.#routes.setOther(route(([change]) => handler(change!)));
    return this;
  }

  /**
   * Read and handle messages until `stop`, SIGTERM or SIGINT. The message in hand is finished first. Throws NotPermitted,
   * ConfigurationError, ReadError, HandlerFailed, ForeignMessage or DeadLetterFailed; the offsets of everything handled by then
   * are committed. May be called once.
   */
  async run(): Promise<void> {
    const { brokers, groupId, topics, kafka: settings, log = STDERR } = this.#config;
    addCodecs();
    const write = (entry: LogEntry) => log.debug(`kafkajs: ${entry.log.message}`);
    const kafka = new kafkajs.Kafka({ clientId: groupId, retry: FEW_RETRIES, ...settings, brokers, logCreator: () => write });
    const listenNoMore = () => STOP_SIGNALS.forEach((signal) => process.removeListener(signal, stop));
    const stop = () => {
      listenNoMore(); // the second signal, of either kind, has the effect that it had before
      this.stop();
    };
    for (const signal of STOP_SIGNALS) process.on(signal, stop);
    try {
      const parts = { kafka, groupId, topics, routes: this.#routes, options: this.#options, counts: this.counts, log };
      await new Session({ ...parts, stopping: this.#stopping.signal }).run();
    } finally {
      listenNoMore();
    }
  }

  /** Make `run` return. May be called from a handler. */
  stop(): void {
    this.#stopping.abort();
  }

  #add(selected: CheckedSelection, handler: unknown, call: Route["handler"], batch: Partial<Route>): void {
    checkHandler(handler);
    this.#routes.add({ ...route(call), ...selected, ...batch });
  }

  /** Register a handler for what `readAs` makes of control messages. It comes before a handler for their collection. */
  #onControl<T>(handler: Handler<T>, readAs: (change: Change) => T, ...operations: string[]): this {
    checkHandler(handler);
    this.#routes.add({ ...route(([change]) => handler(readAs(change!))), operations, isOfControl: true });
    return this;
  }
}

function route(handler: Route["handler"]): Route {
  const takesAll = { collection: ANY, operations: [ANY], database: ANY };
  return { handler, ...takesAll, batchSize: 0, waitMs: 0, concurrency: 0, isOfControl: false };
}
