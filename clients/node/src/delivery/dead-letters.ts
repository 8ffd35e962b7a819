// The consumer's own dead-letter topic. Key, value and headers stay as they were; further headers tell what happened.

import kafkajs, { type IHeaders, type Kafka, type Producer } from "kafkajs";

import type { KafkaRecord } from "../change.js";
import { DEAD_LETTER_HEADERS, originOf } from "../decoding/headers.js";
import { DeadLetterFailed, textOf } from "../errors.js";
import { causeOf } from "../kafka/kafka-errors.js";
import type { Log } from "../log.js";

const TRACEBACK = "traceback";
const TOLD_HEADERS: readonly string[] = [...DEAD_LETTER_HEADERS, "timestamp", TRACEBACK];
/** Limit for a stack, in characters. */
const STACK_CHARACTERS = 4000;
/** Limit for a reason, in characters. Kafka counts headers as part of a message's size. */
const REASON_CHARACTERS = 1000;

/** So often kafkajs tries to write, within about half a minute: each time it waits twice as long, from 0.3 s on. */
const RETRIES = 7;

const RIGHTS_HINT = 'The principal needs Write and Describe on it, and Create unless it exists. Or set onError to "stop".';
/** Hints for the user, by the type of Kafka's error. */
const HINTS: Record<string, string> = {
  INVALID_TOPIC_EXCEPTION:
    "Kafka refuses the name: perhaps another topic differs from it in '.' and '_' alone. Set the option deadLetterTopic.",
  MESSAGE_TOO_LARGE: "Its max.message.bytes has no room for the key and the headers.",
  TOPIC_AUTHORIZATION_FAILED: RIGHTS_HINT,
  CLUSTER_AUTHORIZATION_FAILED: RIGHTS_HINT,
};

/** Writes records to one topic, and creates it if it is missing. Throws DeadLetterFailed. */
export class DeadLetters {
  #producer: Producer | null = null;

  constructor(
    readonly topic: string,
    private readonly kafka: Kafka,
    private readonly groupId: string,
    private readonly log: Log,
  ) {}

  /**
   * Write a record, and wait until Kafka has it. A value that is too large with the headers is left out, with the record's own
   * headers: they would make it a change that leaves no document.
   */
  async send(record: KafkaRecord, reason: string, error?: unknown): Promise<void> {
    const told: Record<string, string> = { reason: reason.slice(0, REASON_CHARACTERS), ...originOf(record), group: this.groupId };
    if (error instanceof Error) told[TRACEBACK] = (error.stack ?? "").slice(0, STACK_CHARACTERS);
    const own = Object.entries(record.headers).filter(([name]) => !TOLD_HEADERS.includes(name));
    try {
      await this.#deliver(record.key, record.value, { ...Object.fromEntries(own), ...told });
    } catch (failure) {
      if (causeOf(failure).type !== "MESSAGE_TOO_LARGE") throw this.#failed(failure);
      await this.#deliverWithoutValue(record.key, told);
    }
  }

  async close(): Promise<void> {
    await this.#producer?.disconnect();
  }

  async #deliverWithoutValue(key: Buffer | null, headers: Record<string, string>): Promise<void> {
    try {
      await this.#deliver(key, null, { ...headers, valueLeftOut: "it was too large" });
    } catch (failure) {
      throw this.#failed(failure);
    }
  }

  async #deliver(key: Buffer | null, value: Buffer | null, headers: IHeaders): Promise<void> {
    this.#producer ??= await this.#open();
    await this.#producer.send({ topic: this.topic, messages: [{ key, value, headers }] });
  }

  async #open(): Promise<Producer> {
    await this.#createTopic();
    const producer = this.kafka.producer({
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      allowAutoTopicCreation: false,
      retry: { retries: RETRIES },
    });
    await producer.connect();
    return producer;
  }

  /** Create the topic. Most errors are only logged: the topic may exist although the principal may not create any. */
  async #createTopic(): Promise<void> {
    const admin = this.kafka.admin();
    try {
      await admin.connect();
      await admin.createTopics({ topics: [{ topic: this.topic, numPartitions: 1 }] });
    } catch (error) {
      if (causeOf(error).type === "INVALID_TOPIC_EXCEPTION") throw error;
      this.log.warn(`${this.topic} was not created: ${textOf(causeOf(error))}`);
    } finally {
      await admin.disconnect();
    }
  }

  #failed(error: unknown): DeadLetterFailed {
    const cause = causeOf(error);
    const hint = HINTS[cause.type ?? ""] ?? `Does the topic exist? ${RIGHTS_HINT}`;
    return new DeadLetterFailed(`The dead-letter topic ${this.topic} could not be written: ${textOf(cause)}`, { hint, cause });
  }
}
