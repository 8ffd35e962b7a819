// Reads the messages of Database Watcher and hands each change to the handler of its collection, once per document and in order.

import { Kafka, logLevel } from "kafkajs";

/**
 * @typedef {object} Change
 * @property {"insert"|"update"|"replace"|"delete"} operationType
 * @property {string} collection
 * @property {{_id: unknown}} documentKey
 * @property {object|null} [fullDocument] absent in a delete; null when the document was gone before it could be looked up
 * @property {number} sequence counts all messages of one watcher, over all topics
 */

export class DatabaseChangeConsumer {
  #handlers = new Map();

  /**
   * @param {{brokers: string[], groupId: string, topics: string[]}} options
   */
  constructor({ brokers, groupId, topics }) {
    const kafka = new Kafka({ clientId: groupId, brokers, logLevel: logLevel.ERROR });
    // The worker writes in transactions: readUncommitted would show what was aborted and is written again.
    this.consumer = kafka.consumer({ groupId, readUncommitted: false });
    this.topics = topics;
  }

  /**
   * `handle(change)` is called for each change in `collection`; what it throws makes Kafka hand over the message again.
   * @param {string} collection
   * @param {(change: Change) => Promise<void>} handle
   */
  on(collection, handle) {
    this.#handlers.set(collection, handle);
    return this;
  }

  async run() {
    await this.consumer.connect();
    await this.consumer.subscribe({ topics: this.topics, fromBeginning: true });
    // kafkajs commits an offset only after eachMessage has returned.
    await this.consumer.run({ eachMessage: ({ message }) => this.#dispatch(message) });
  }

  /** Finishes the message in hand, commits, and leaves the group. */
  async stop() {
    await this.consumer.disconnect();
  }

  async #dispatch(message) {
    const change = JSON.parse(message.value.toString());
    const handle = this.#handlers.get(change.collection);
    if (handle && change.documentKey) await handle(change); // without documentKey it is a control message, such as drop
  }
}
