// A copy of the users' names and addresses, in this service's own MongoDB, that a message can reach twice or late without harm.
//
// A consumer that ends before its offset is committed reads messages again, and between the topics of inserts, updates and deletes
// Kafka keeps no order. Both are answered by a `version` for each message, which sorts as text: a row changes only for a message newer
// than the one that wrote it. `sequence` would not do: a watcher whose position was deleted counts from 1 again, as a new one does.

import mongoose from "mongoose";

const DUPLICATE_KEY = 11000;

export const UserCopy = mongoose.model(
  "UserCopy",
  new mongoose.Schema(
    {
      _id: mongoose.Schema.Types.ObjectId,
      name: String,
      email: String,
      version: String, // absent in rows that were there before, such as those of the models' own watchers: any message is newer
      sequence: Number, // the message's number, for people who look for it
      deleted: Boolean, // a deleted user leaves its version behind, or an update that arrives late would bring it back
      stale: Boolean, // changed since, but the message came without the document: read it from where the users are
    },
    { collection: "users", versionKey: false },
  ),
);

/**
 * @param {import("./database-change-consumer.js").Change} change
 * @returns {Promise<boolean>} whether it was news
 */
export async function applyToCopy(change) {
  const older = {
    _id: change.documentKey._id,
    $or: [{ version: { $exists: false } }, { version: { $lt: versionOf(change) } }],
  };
  const write = (options) =>
    isUntold(change)
      ? UserCopy.updateOne(older, { $set: { ...place(change), stale: true }, $unset: { deleted: true } }, options)
      : UserCopy.replaceOne(older, row(change), options);
  try {
    await write({ upsert: true });
    return true;
  } catch (error) {
    if (error.code !== DUPLICATE_KEY) throw error;
    // There is a row. Mostly it is not older; but another member of the group may have made it this moment, so look again.
    return (await write({})).matchedCount > 0;
  }
}

/** An update that does not bring the document: it was too large for Kafka, or the watcher is told not to look it up. */
function isUntold(change) {
  return change.operationType !== "delete" && change.fullDocument === undefined;
}

function row(change) {
  const { operationType, fullDocument } = change;
  // fullDocument is null when the document was deleted before the watcher looked it up: its delete follows.
  if (operationType === "delete" || fullDocument === null) return { ...place(change), deleted: true };
  return { ...place(change), name: fullDocument.name, email: fullDocument.email };
}

function place(change) {
  return { version: versionOf(change), sequence: change.sequence };
}

/** The second in MongoDB, then the number: of a change, the second is in its resume token, and of what a snapshot copies its `timestamp`. */
function versionOf({ eventId, snapshot, timestamp, sequence }) {
  const seconds = snapshot === undefined ? parseInt(eventId.slice(2, 10), 16) : Math.floor(Date.parse(timestamp) / 1000);
  return `${hexadecimal(seconds, 8)}-${hexadecimal(sequence, 16)}`;
}

function hexadecimal(number, digits) {
  return number.toString(16).padStart(digits, "0");
}
