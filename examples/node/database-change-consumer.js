// Reads the messages of Database Watcher and hands each change to the handler of its collection: at least once, and in order
// within one partition. A change can come again, and an update before its insert, so handlers compare versions, as copy-of-users.js does.

import { Kafka, logLevel } from "kafkajs";

const PARTITIONS_AT_ONCE = 16;
const SNAPSHOT_COMPLETED = ["snapshotCollectionCompleted", "snapshotCompleted"];

/**
 * @typedef {object} Change
 * @property {"insert"|"update"|"replace"|"delete"} operationType
 * @property {string} database
 * @property {string} collection
 * @property {{_id: unknown}} documentKey
 * @property {object|null} [fullDocument] absent in a delete and where `truncated` names it; null when the document was gone
 *   before it could be looked up
 * @property {string[]} [truncated] the fields that were left out because the message was too large for Kafka
 * @property {string} eventId unique; that of a change is its resume token, which sorts as text in the order of the changes
 * @property {string} [snapshot] the snapshot that has copied the document; absent in a change
 * @property {string} timestamp when the change was made, or as of when the document was copied
 * @property {number} sequence counts all messages of one watcher, over all topics; from 1 again where its position was deleted
 */

/**
 * @typedef {object} SnapshotCompleted
 * @property {"snapshotCollectionCompleted"|"snapshotCompleted"} operationType one collection is copied, or all that were chosen
 * @property {string} [collection] the one that is copied
 * @property {boolean} [filtered] whether only some of its documents were chosen
 * @property {string[]} [collections] names and globs of those that were chosen; absent if all were
 * @property {Object<string, string>} [filters] by collection, for those of which only some documents were chosen
 * @property {number} startedSequence the number of the message that told of the beginning
 * @property {string} timestamp
 * @property {number} sequence
 */

export class DatabaseChangeConsumer {
  #handlers = new Map();
  #snapshotCompleted = null;
  #unhandled = new Set();

  /**
   * @param {{brokers: string[], groupId: string, topics: string[], database: string, sessionTimeout?: number}} options `database`:
   *   topics can be shared by watchers of several databases; `sessionTimeout`: milliseconds after which the group takes a member that
   *   was killed for gone
   */
  constructor({ brokers, groupId, topics, database, sessionTimeout }) {
    const kafka = new Kafka({ clientId: groupId, brokers, logLevel: logLevel.ERROR });
    // The worker writes in transactions: readUncommitted would show what was aborted and is written again.
    this.consumer = kafka.consumer({ groupId, readUncommitted: false, sessionTimeout });
    this.topics = topics;
    this.database = database;
  }

  /**
   * `handle(change)` is called for each change in `collection`. What it throws holds up its partition: kafkajs hands the message
   * over again, after a pause, until it works.
   * @param {string} collection
   * @param {(change: Change) => Promise<void>} handle
   */
  on(collection, handle) {
    if (typeof handle !== "function") throw new TypeError(`the handler of ${collection} is no function`);
    if (this.#handlers.has(collection)) throw new Error(`${collection} already has a handler`);
    this.#handlers.set(collection, handle);
    return this;
  }

  /**
   * `handle(end)` is called when a snapshot has copied a collection, and once more when it has copied everything. The control topic
   * must be among the topics. Kafka keeps no order between topics: copies of that snapshot may come later than this.
   * @param {(end: SnapshotCompleted) => Promise<void>} handle
   */
  onSnapshotCompleted(handle) {
    this.#snapshotCompleted = handle;
    return this;
  }

  async run() {
    await this.consumer.connect();
    await this.consumer.subscribe({ topics: this.topics, fromBeginning: true });
    // kafkajs commits an offset only after eachMessage has returned. It handles one partition after the other unless told otherwise, and
    // then each message waits for the write before it: a few milliseconds, where MongoDB answers once a majority has it on disk.
    await this.consumer.run({
      partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
      eachMessage: (record) => this.#dispatch(record),
    });
  }

  /** Finishes the message in hand, commits, and leaves the group. */
  async stop() {
    await this.consumer.disconnect();
  }

  async #dispatch({ topic, partition, message }) {
    const change = parse(message.value);
    if (change === null) {
      console.error(`passed over, not a watcher's message: ${topic}, partition ${partition}, offset ${message.offset}`);
    } else if (change.documentKey) {
      await this.#handlerOf(change)?.(change);
    } else if (SNAPSHOT_COMPLETED.includes(change.operationType) && change.database === this.database) {
      await this.#snapshotCompleted?.(change);
    } // other control messages, such as drop, are left to services of your own
  }

  /** Undefined where there is none, which is told once for each collection: a name may have been misspelled. */
  #handlerOf({ database, collection }) {
    const handle = database === this.database ? this.#handlers.get(collection) : undefined;
    const name = `${database}.${collection}`;
    if (!handle && !this.#unhandled.has(name)) {
      this.#unhandled.add(name);
      console.error(`no handler takes the changes of ${name}`);
    }
    return handle;
  }
}

/** The message, or null if it is none: a record that throws here would come again for ever. */
function parse(value) {
  try {
    const message = JSON.parse(value);
    const isRow = message.documentKey !== undefined;
    const isWhole = !isRow || (message.documentKey._id !== undefined && typeof message.eventId === "string");
    return typeof message.operationType === "string" && Number.isInteger(message.sequence) && isWhole ? message : null;
  } catch {
    return null;
  }
}
