import type { IHeaders } from "kafkajs";

import { GAP } from "./operations.js";

/** Offset of a message that is not in Kafka: a gap that the consumer itself has found. */
export const NO_OFFSET = -1;

/** Characters of a resume token that hold the seconds of its cluster time, in hexadecimal (KeyString, type 0x82). */
const TOKEN_SECONDS = [2, 10] as const;

/** A message as the generic envelope has it: see docs/message-format.md. */
export type Message = Record<string, any>;

/** Identifier of a partition: its topic, a hyphen, its number. */
export type PartitionId = string;

export function partitionId(topic: string, partition: number): PartitionId {
  return `${topic}-${partition}`;
}

/** Return the topic and the number of a partition. */
export function partitionOf(id: PartitionId): { topic: string; partition: number } {
  const hyphen = id.lastIndexOf("-");
  return { topic: id.slice(0, hyphen), partition: Number(id.slice(hyphen + 1)) };
}

/** Return what there is for each partition, by topic. */
export function byTopic<T, R>(
  entries: Iterable<readonly [PartitionId, T]>,
  make: (partition: number, value: T) => R,
): Map<string, R[]> {
  const topics = new Map<string, R[]>();
  for (const [id, value] of entries) {
    const { topic, partition } = partitionOf(id);
    const others = topics.get(topic);
    if (others) others.push(make(partition, value));
    else topics.set(topic, [make(partition, value)]);
  }
  return topics;
}

/** A record as it is in Kafka. */
export interface KafkaRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: IHeaders;
  /** Milliseconds since 1970. */
  readonly timestampMs: number;
}

export interface UpdateDescription {
  updatedFields?: Record<string, any> | null;
  removedFields?: string[] | null;
  truncatedArrays?: { field: string; newSize: number }[] | null;
}

/**
 * A change of one document, or a control message. `message` is the whole message as it was sent, including fields that this release
 * does not know; of another envelope than the generic one, it is what that would have. `T` is the type of the documents.
 */
export class Change<T = Record<string, any>> {
  readonly operation: string;
  readonly database: string;
  readonly collection: string | null;
  readonly watcher: string;
  /** The message's number. A watcher numbers its messages across all its topics, without gaps. */
  readonly sequence: number;
  readonly message: Message;
  readonly record: KafkaRecord;
  readonly source: PartitionId;

  constructor(message: Message, record: KafkaRecord) {
    this.operation = message["operationType"];
    this.database = message["database"];
    this.collection = message["collection"] ?? null;
    this.watcher = message["watcher"];
    this.sequence = message["sequence"];
    this.message = message;
    this.record = record;
    this.source = partitionId(record.topic, record.partition);
  }

  get topic(): string {
    return this.record.topic;
  }

  get partition(): number {
    return this.record.partition;
  }

  get offset(): number {
    return this.record.offset;
  }

  /** The document's `_id`; undefined in a control message. */
  get key(): any {
    return this.documentKey["_id"];
  }

  /** The document's `_id`, and in a sharded collection the fields of the shard key. Empty in a control message. */
  get documentKey(): Record<string, any> {
    return this.message["documentKey"] ?? {};
  }

  /** Time of the change, by MongoDB's clock. */
  get timestamp(): Date {
    return new Date(this.message["timestamp"]);
  }

  /**
   * The document. Null for a delete, if it no longer existed when it was looked up, and if it was left out as one of the
   * `truncated` fields.
   */
  get fullDocument(): T | null {
    return this.message["fullDocument"] ?? null;
  }

  /** The document before the change, if the watcher asks for it and the server has it. */
  get fullDocumentBeforeChange(): T | null {
    return this.message["fullDocumentBeforeChange"] ?? null;
  }

  get updateDescription(): UpdateDescription | null {
    return this.message["updateDescription"] ?? null;
  }

  /** Unique identifier of the message's content; null in the watcher's own messages, such as a gap. */
  get eventId(): string | null {
    return this.message["eventId"] ?? null;
  }

  /** The id of the snapshot that has copied the document, or that a control message is about; null in a change. */
  get snapshot(): string | null {
    return this.message["snapshot"] ?? null;
  }

  /**
   * The `eventId` of an event of the change stream. As text, tokens sort in the order of the stream. Null in all other messages.
   */
  get token(): string | null {
    return "snapshot" in this.message ? null : this.eventId;
  }

  /**
   * Text that sorts in the order of a document's states, changes and copies by snapshots alike, also if the watcher's numbers
   * begin again or another watcher has taken over. It is the second of the change in MongoDB, or the one as of which the document
   * was read, and then `sequence`.
   */
  get version(): string {
    const seconds = this.token ? parseInt(this.token.slice(...TOKEN_SECONDS), 16) : Math.floor(this.timestamp.getTime() / 1000);
    return `${hexadecimal(seconds, 8)}-${hexadecimal(this.sequence, 16)}`;
  }

  /** Fields that were left out because the message was too large for Kafka. */
  get truncated(): string[] {
    return this.message["truncated"] ?? [];
  }

  /** Short text for the log. */
  toString(): string {
    const of = this.collection === null ? this.database : `${this.database}.${this.collection}`;
    return `${this.operation} ${this.sequence} of ${of} (${this.topic}, partition ${this.partition}, offset ${this.offset})`;
  }
}

/**
 * Changes are missing, so whoever keeps a copy of the data must compare it again. Either MongoDB no longer had the changes after
 * `lastEventId`, or the consumer found that messages before `sequence` are not in Kafka.
 */
export interface Gap {
  readonly database: string;
  readonly watcher: string;
  readonly sequence: number;
  readonly timestamp: Date;
  readonly reason: string;
  readonly lastEventId: string | null;
}

/** Return the gap that a control message announces. */
export function gapOf(change: Change): Gap {
  const { database, watcher, sequence, timestamp, message } = change;
  return { database, watcher, sequence, timestamp, reason: message["reason"] ?? "", lastEventId: message["lastEventId"] ?? null };
}

/** Make a gap that no control message announces: the consumer found something missing when this change arrived. */
export function gapBefore(change: Change, reason: string): Change {
  const { database, watcher, sequence, timestamp, record } = change;
  const time = Number.isNaN(timestamp.getTime()) ? new Date(0) : timestamp;
  const message = { operationType: GAP, database, timestamp: time.toISOString(), reason, watcher, sequence };
  return new Change(message, {
    ...record,
    offset: NO_OFFSET,
    key: null,
    value: Buffer.from(JSON.stringify(message)),
    headers: {},
  });
}

function hexadecimal(number: number, digits: number): string {
  return number.toString(16).toUpperCase().padStart(digits, "0");
}
