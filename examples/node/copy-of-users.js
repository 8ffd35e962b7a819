// A copy of one collection that a message can reach twice, and out of order, without harm.
//
// Inserts, updates and deletes come on three topics, and between topics Kafka keeps no order; a consumer that stops before its
// offset is committed reads messages again. Both are answered by `sequence`: what is not newer than what the copy has is left out.
// A deleted document leaves its sequence behind, or an update that arrives late would bring it back.
//
// With Mongoose the same is one conditional write, on a unique index of `_id`; the duplicate key error (11000) means "not newer":
//
//   await UserCopy.updateOne(
//     { _id, sequence: { $lt: change.sequence } },
//     { $set: { sequence: change.sequence, deleted: change.operationType === "delete", document: change.fullDocument ?? null } },
//     { upsert: true },
//   );

export class CopyOfUsers {
  #rows = new Map();

  /**
   * @param {import("./database-change-consumer.js").Change} change
   * @returns {Promise<boolean>} whether it was news
   */
  async apply(change) {
    const id = JSON.stringify(change.documentKey._id);
    if ((this.#rows.get(id)?.sequence ?? 0) >= change.sequence) return false;
    // fullDocument is null when the document was deleted before the watcher looked it up: its delete follows.
    const document = change.operationType === "delete" ? null : (change.fullDocument ?? null);
    this.#rows.set(id, { sequence: change.sequence, document });
    return true;
  }

  /** The documents that there are, by _id as JSON. */
  documents() {
    return Object.fromEntries([...this.#rows].filter(([, row]) => row.document !== null).map(([id, row]) => [id, row.document]));
  }
}
