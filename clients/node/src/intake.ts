// From Kafka to the order: takes what the feed brings, sees what is missing, and holds partitions back.

import type { EachBatchPayload, KafkaMessage } from "kafkajs";

import { type Change, type KafkaRecord, type PartitionId, partitionId } from "./change.js";
import { isAvro, schemaId } from "./decoding/avro.js";
import { read } from "./decoding/decoder.js";
import { UnknownMessage } from "./decoding/message.js";
import { TopicPlaces } from "./decoding/places.js";
import { Schemas } from "./decoding/schemas.js";
import type { Dispatcher } from "./delivery/dispatcher.js";
import { textOf } from "./errors.js";
import { Feed, type FeedListener } from "./kafka/feed.js";
import { causeOf, isKafkas } from "./kafka/kafka-errors.js";
import type { LogEnds } from "./kafka/log-ends.js";
import { Continuity } from "./offsets/continuity.js";
import type { Offsets } from "./offsets/handled.js";
import { findStarts } from "./offsets/starts.js";
import type { SequenceOrder } from "./ordering/sequence-order.js";
import type { SessionParts } from "./session.js";
import type { Signal } from "./signal.js";

/** The parts of a session that an intake fills. */
export interface IntakeTargets {
  readonly order: SequenceOrder;
  readonly offsets: Offsets;
  readonly dispatcher: Dispatcher;
  readonly ends: LogEnds;
  readonly signal: Signal;
}

interface Foreign {
  readonly record: KafkaRecord;
  readonly reason: string;
}

export class Intake implements FeedListener {
  readonly feed: Feed;
  /** Number of the present assignment of partitions. What was begun under another one is void. */
  generation = 0;
  readonly #targets: IntakeTargets;
  readonly #parts: SessionParts;
  readonly #places: TopicPlaces;
  readonly #schemas: Schemas;
  readonly #continuity = new Continuity();
  /** The partitions of which it is not known yet where reading begins. */
  #starting: ReadonlySet<PartitionId> = new Set();
  #foreign: Foreign[] = [];
  #untold = new Map<PartitionId, string>();
  #failure: { readonly error: unknown } | null = null;

  constructor(parts: SessionParts, deadLetterTopic: string, targets: IntakeTargets) {
    const { options, log, stopping } = parts;
    [this.#parts, this.#targets] = [parts, targets];
    this.#places = new TopicPlaces(options.topicTemplate);
    this.#schemas = new Schemas(options.schemaRegistry, log, stopping);
    this.feed = new Feed({ ...parts, deadLetterTopic, listener: this });
  }

  /** Read until the feed is closed. What goes wrong is thrown by `check`. */
  async run(): Promise<void> {
    await this.feed.run().catch((error: unknown) => this.#fail(error));
  }

  /** Throw what has gone wrong since the start. */
  check(): void {
    if (this.#failure) throw this.#failure.error;
  }

  assigned(partitions: PartitionId[]): void {
    this.#forget(partitions);
    this.#starting = new Set(partitions);
    this.holdBack();
    void this.#start(this.generation, partitions);
  }

  revoked(): void {
    void this.commit();
    this.#forget([]);
  }

  async batch({ batch, heartbeat }: EachBatchPayload): Promise<void> {
    const generation = this.generation;
    const partition = partitionId(batch.topic, batch.partition);
    const [first, following] = [Number(batch.firstOffset()), Number(batch.lastOffset()) + 1];
    try {
      await this.#schemas.load(schemaIds(batch.messages), heartbeat);
      const firstOffset = this.#continuity.isSkipped(partition, first) ? await this.#firstOffset(partition) : 0;
      if (generation !== this.generation || !this.#targets.offsets.isAssigned(partition)) return;
      const missing = this.#continuity.came(partition, first, following, firstOffset);
      if (missing) this.#miss(partition, missing);
      this.#take(
        partition,
        batch.messages.map((message) => recordOf(message, batch.topic, batch.partition)),
        following,
      );
    } catch (error) {
      if (isKafkas(error) || this.#parts.stopping.aborted) throw error; // a rebalance, which a heartbeat has noticed
      this.#fail(error);
    }
  }

  passed(partition: PartitionId, offset: number, following: number): void {
    if (!this.#targets.offsets.isAssigned(partition)) return;
    this.#continuity.passed(partition, offset, following);
    this.#readUpTo(partition, following);
  }

  /** Hold back the partitions that are ahead, and resume all others. */
  holdBack(): void {
    const { order } = this.#targets;
    this.feed.holdBack(this.#starting.size > 0 ? this.#starting : order.overfull(this.feed.heldBack));
  }

  /** Take the records that no watcher has written. Throws ForeignMessage or DeadLetterFailed. */
  async takeForeign(): Promise<void> {
    for (let foreign = this.#foreign.shift(); foreign; foreign = this.#foreign.shift()) {
      await this.#targets.dispatcher.takeForeign(foreign.record, foreign.reason);
    }
  }

  /** Commit what was handled. */
  async commit(): Promise<void> {
    const { offsets } = this.#targets;
    const [generation, handled] = [this.generation, offsets.toCommit()];
    if ((await this.feed.commit(handled)) && generation === this.generation) offsets.committed(handled);
  }

  /** Report a gap before the first message of a new count. A watcher without a position does not know what it has missed. */
  noteNewCount(change: Change): void {
    const reason = `the numbers of ${change.watcher} begin again, with ${change.sequence}: its position was lost or deleted`;
    this.#parts.log.warn(`messages may be missing: ${reason}`);
    this.#targets.offsets.hold(change.source);
    this.#targets.dispatcher.missingBefore(change, reason);
  }

  /** Take records that have come together, and end before `following`. */
  #take(partition: PartitionId, records: KafkaRecord[], following: number): void {
    const { order, offsets, signal } = this.#targets;
    order.beginRound(signal.listenedMs);
    for (const record of records) {
      offsets.taken(partition, record.offset);
      try {
        this.#add(read(record, this.#places, this.#schemas.of), record.value?.length ?? 0);
      } catch (error) {
        if (!(error instanceof UnknownMessage)) throw error;
        this.#foreign.push({ record, reason: error.message });
      }
    }
    this.#readUpTo(partition, following);
    this.holdBack();
  }

  #add(change: Change, size: number): void {
    const reason = this.#untold.get(change.source);
    if (reason) {
      this.#untold.delete(change.source);
      this.#targets.dispatcher.missingBefore(change, reason);
    }
    this.#targets.order.add(change, size);
  }

  #readUpTo(partition: PartitionId, following: number): void {
    this.#targets.offsets.passed(partition, following);
    this.#targets.order.passed(partition, following);
    this.#targets.signal.wake();
  }

  /** Note that records are missing. Handlers learn of it with the partition's next message, which shows whose they were. */
  #miss(partition: PartitionId, reason: string): void {
    this.#parts.log.warn(`messages are missing. ${reason}`);
    this.#targets.offsets.hold(partition);
    this.#untold.set(partition, reason);
  }

  #forget(partitions: PartitionId[]): void {
    this.generation++;
    this.#starting = new Set();
    this.#foreign = [];
    this.#untold.clear();
    this.#continuity.clear();
    this.#targets.offsets.assign(partitions);
    this.#targets.order.assign(partitions);
    this.#targets.dispatcher.revoke();
  }

  /** Begin to read these partitions, as soon as it is known where. What is missing since the last time shows by that. */
  async #start(generation: number, partitions: PartitionId[]): Promise<void> {
    const { log, options } = this.#parts;
    try {
      const starts = await findStarts(partitions, this.feed, this.#targets.ends, options.offsetReset);
      if (generation !== this.generation) return;
      for (const { partition, offset, isNew, missing } of starts) {
        if (isNew) log.info(`${partition}: the group has no offset; reading begins with ${offset}`);
        if (missing) this.#miss(partition, missing);
        if (isNew || missing) this.feed.seek(partition, offset);
        this.#continuity.begin(partition, offset);
        this.#targets.order.passed(partition, offset);
      }
    } catch (error) {
      log.warn(`cannot tell whether messages are missing: ${textOf(causeOf(error))}`);
    }
    if (generation === this.generation) this.#starting = new Set();
    this.#targets.signal.wake();
  }

  /** The lowest offset that Kafka has in a partition; 0 if it does not tell. */
  async #firstOffset(partition: PartitionId): Promise<number> {
    const beginnings = await this.#targets.ends.beginnings([partition]).catch(() => new Map<PartitionId, number>());
    return beginnings.get(partition) ?? 0;
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#targets.signal.wake();
  }
}

function recordOf(message: KafkaMessage, topic: string, partition: number): KafkaRecord {
  const { key, value, headers = {}, timestamp } = message;
  return { topic, partition, offset: Number(message.offset), key, value, headers, timestampMs: Number(timestamp) };
}

/** The schemas of the messages that are in Avro. */
function schemaIds(messages: KafkaMessage[]): Set<number> {
  const data = messages.flatMap(({ key, value }) => [key, value]).filter(isAvro);
  return new Set(data.map(schemaId).filter((id) => id !== null));
}
