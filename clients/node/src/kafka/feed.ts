// Reads records from Kafka as a member of a group. It rides out outages, and joins anew where topics have come or gone.

import { setTimeout as wait } from "node:timers/promises";

import type { Admin, Consumer, EachBatchPayload, Kafka } from "kafkajs";

import { byTopic, type PartitionId, partitionId, partitionOf } from "../change.js";
import { textOf } from "../errors.js";
import type { Log } from "../log.js";
import type { ConsumerOptions } from "../options.js";
import { causeOf, hopeless, isKafkas } from "./kafka-errors.js";
import { rangeAssigner } from "./range-assigner.js";

/** Time until Kafka is tried again, in milliseconds. */
const RETRY_MS = 1000;
/** Longest time that a fetch waits at the broker, in milliseconds. After a rebalance, so long may pass before the first one. */
const FETCH_WAIT_MS = 200;
const HEARTBEATS_PER_SESSION = 4;

/** What a feed tells. All but `batch` are called in passing and must not wait. */
export interface FeedListener {
  /** Partitions were assigned; whatever was read before counts no longer. */
  assigned(partitions: PartitionId[]): void;
  /** Partitions may go to another member; committing what was handled is still possible. */
  revoked(): void;
  /** Records have come. */
  batch(payload: EachBatchPayload): Promise<void>;
  /** Offsets hold only markers of transactions and aborted records. */
  passed(partition: PartitionId, offset: number, following: number): void;
}

/** What a feed works with. */
export interface FeedParts {
  readonly kafka: Kafka;
  readonly groupId: string;
  readonly topics: readonly (string | RegExp)[];
  readonly deadLetterTopic: string;
  readonly options: ConsumerOptions;
  readonly log: Log;
  readonly listener: FeedListener;
}

export class Feed {
  readonly #parts: FeedParts;
  readonly #admin: Admin;
  #consumer: Consumer | null = null;
  #commit: EachBatchPayload["commitOffsetsIfNecessary"] | null = null;
  #paused: ReadonlySet<PartitionId> = new Set();
  #closing = new AbortController();
  #missing = new Set<string>();
  #isAway = false;
  #commitsFail = false;

  constructor(parts: FeedParts) {
    this.#parts = parts;
    this.#admin = parts.kafka.admin();
  }

  /** Read until `close`. Throws NotPermitted, ConfigurationError or ReadError. */
  async run(): Promise<void> {
    while (!this.#isClosing) {
      try {
        const topics = await this.#existing();
        if (topics.length > 0) await this.#consume(topics);
        else await this.#sleep(this.#parts.options.newTopicsMs);
      } catch (error) {
        if (this.#isClosing) return;
        const ours = hopeless(error);
        if (ours || !isKafkas(error)) throw ours ?? error;
        if (!this.#isAway) this.#parts.log.warn(`Kafka does not answer; waiting for it: ${textOf(causeOf(error))}`);
        this.#isAway = true;
        await this.#sleep(RETRY_MS);
      }
    }
  }

  /** Leave the group. */
  close(): void {
    this.#closing.abort();
  }

  async disconnect(): Promise<void> {
    await this.#admin.disconnect();
  }

  /** The partitions that are held back. */
  get heldBack(): ReadonlySet<PartitionId> {
    return this.#paused;
  }

  /** Hold back these partitions, and resume all others. */
  holdBack(partitions: ReadonlySet<PartitionId>): void {
    const other = (ids: ReadonlySet<PartitionId>, without: ReadonlySet<PartitionId>) =>
      [...ids]
        .filter((id) => !without.has(id))
        .map(partitionOf)
        .map(({ topic, partition }) => ({ topic, partitions: [partition] }));
    const [paused, resumed] = [other(partitions, this.#paused), other(this.#paused, partitions)];
    try {
      if (paused.length > 0) this.#consumer?.pause(paused);
      if (resumed.length > 0) this.#consumer?.resume(resumed);
    } catch (error) {
      if (!isKafkas(error)) throw error; // kafkajs has given up this moment: `run` begins anew, and then nothing is held back
    }
    this.#paused = partitions;
  }

  /** Go on at another offset than the one that the group has committed. */
  seek(partition: PartitionId, offset: number): void {
    this.#consumer?.seek({ ...partitionOf(partition), offset: String(offset) });
  }

  /**
   * Commit offsets for the group. A failure is logged: then they are committed with the next ones, or the messages come again.
   */
  async commit(offsets: ReadonlyMap<PartitionId, number>): Promise<boolean> {
    if (offsets.size === 0 || !this.#commit) return true;
    const positions = byTopic(offsets, (partition, offset) => ({ partition, offset: String(offset) }));
    const topics = [...positions].map(([topic, partitions]) => ({ topic, partitions }));
    try {
      // Not kafkajs's `consumer.commitOffsets`: that one tries again, perhaps after a rebalance, where the partitions may be
      // another's.
      await this.#commit({ topics });
    } catch (error) {
      if (!this.#commitsFail)
        this.#parts.log.warn(`offsets were not committed, messages may come again: ${textOf(causeOf(error))}`);
      this.#commitsFail = true;
      return false;
    }
    if (this.#commitsFail) this.#parts.log.info("offsets are committed again");
    this.#commitsFail = false;
    return true;
  }

  /** The offsets that the group has committed, in these topics. -1 for none. */
  async committed(topics: string[]): Promise<Map<PartitionId, number>> {
    const offsets = new Map<PartitionId, number>();
    for (const { topic, partitions } of await this.#admin.fetchOffsets({ groupId: this.#parts.groupId, topics })) {
      for (const { partition, offset } of partitions) offsets.set(partitionId(topic, partition), Number(offset));
    }
    return offsets;
  }

  get #isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  /** The topics that there are, of those that were asked for. */
  async #existing(): Promise<string[]> {
    await this.#admin.connect();
    const there = (await this.#admin.listTopics()).filter((each) => each !== this.#parts.deadLetterTopic);
    for (const topic of this.#parts.topics) {
      if (typeof topic !== "string" || there.includes(topic) || this.#missing.has(topic)) continue;
      this.#missing.add(topic);
      this.#parts.log.warn(`the topic ${topic} does not exist`);
    }
    for (const topic of there) this.#missing.delete(topic);
    const isOurs = (name: string) =>
      this.#parts.topics.some((topic) => (typeof topic === "string" ? topic === name : name.search(topic) >= 0));
    return there.filter(isOurs).sort();
  }

  /** Read these topics as a member of the group, until others come or go, until `close`, or until kafkajs gives up. */
  async #consume(topics: string[]): Promise<void> {
    const consumer = this.#parts.kafka.consumer({
      groupId: this.#parts.groupId,
      partitionAssigners: [rangeAssigner],
      sessionTimeout: this.#parts.options.sessionTimeoutMs,
      heartbeatInterval: this.#parts.options.sessionTimeoutMs / HEARTBEATS_PER_SESSION,
      metadataMaxAge: this.#parts.options.newTopicsMs,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      allowAutoTopicCreation: false,
      readUncommitted: false, // messages of aborted transactions must not be seen
      retry: { restartOnFailure: async () => false }, // `run` does, which knows of `close`
    });
    const crashed = new Promise<never>((_, reject) => consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error)));
    crashed.catch(() => {}); // it is told where this is awaited
    this.#listenTo(consumer);
    const ended = new AbortController();
    try {
      await consumer.connect();
      await consumer.subscribe({ topics, fromBeginning: this.#parts.options.offsetReset === "earliest" });
      this.#consumer = consumer;
      await consumer.run({ autoCommit: false, eachBatch: (payload) => this.#take(payload) });
      await Promise.race([crashed, this.#topicsChange(topics, ended.signal)]);
    } finally {
      ended.abort();
      this.#parts.listener.revoked();
      [this.#consumer, this.#commit] = [null, null];
      await consumer.disconnect();
    }
  }

  #listenTo(consumer: Consumer): void {
    const { GROUP_JOIN, REBALANCING, START_BATCH_PROCESS } = consumer.events;
    consumer.on(REBALANCING, () => this.#parts.listener.revoked());
    consumer.on(GROUP_JOIN, ({ payload }) => {
      const assigned = Object.entries(payload.memberAssignment);
      this.#paused = new Set();
      this.#parts.listener.assigned(assigned.flatMap(([topic, numbers]) => numbers.map((number) => partitionId(topic, number))));
      if (this.#isAway) this.#parts.log.info("Kafka answers again");
      this.#isAway = false;
    });
    consumer.on(START_BATCH_PROCESS, ({ payload }) => {
      const { topic, partition, batchSize, firstOffset, lastOffset } = payload;
      if (batchSize === 0) this.#parts.listener.passed(partitionId(topic, partition), Number(firstOffset), Number(lastOffset) + 1);
    });
  }

  async #take(payload: EachBatchPayload): Promise<void> {
    this.#commit = payload.commitOffsetsIfNecessary;
    await this.#parts.listener.batch(payload);
  }

  /** Wait until other topics are there than these, until `close`, or until `ended`. */
  async #topicsChange(topics: string[], ended: AbortSignal): Promise<void> {
    for (let now = topics; now.join() === topics.join() && !this.#isClosing && !ended.aborted;) {
      await this.#sleep(this.#parts.options.newTopicsMs, ended);
      now = await this.#existing().catch((error: unknown) => {
        this.#parts.log.debug(`the topics are not known: ${textOf(causeOf(error))}`);
        return topics;
      });
    }
  }

  /** Wait for so long, until `close`, or until `ended`. */
  async #sleep(milliseconds: number, ended?: AbortSignal): Promise<void> {
    const { signal } = this.#closing;
    await wait(milliseconds, undefined, { signal: ended ? AbortSignal.any([signal, ended]) : signal }).catch(() => {});
  }
}
