// A copy of the users' names and addresses, in this service's own MongoDB, that a message can reach twice or late without harm.
//
// A consumer that ends before its offset is committed reads messages again, and between the topics of inserts, updates and deletes
// Kafka keeps no order. Both are answered by a `version` for each message, which sorts as text: a row changes only for a message newer
// than the one that wrote it. `sequence` would not do: a watcher whose position was deleted counts from 1 again, as a new one does.

import mongoose from "mongoose";

const DUPLICATE_KEY = 11000;
const USERS = "users";

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
    { collection: USERS, versionKey: false },
  ),
);

/** The last snapshot that held all users: what is older than it, by number and by time, is gone. */
const WholeSnapshot = mongoose.model(
  "WholeSnapshot",
  new mongoose.Schema(
    {
      _id: String,
      sequence: Number, // that of its beginning
      before: String, // sorts behind each version up to its end: a watcher that counts from 1 again writes only later ones
    },
    { collection: "snapshots", versionKey: false },
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
  let isNews = true;
  try {
    await write({ upsert: true });
  } catch (error) {
    if (error.code !== DUPLICATE_KEY) throw error;
    // There is a row. Mostly it is not older; but another member of the group may have made it this moment, so look again.
    isNews = (await write({})).matchedCount > 0;
  }
  // A message from before a whole snapshot may come after its end. Whoever writes first, the other one sees it.
  const snapshot = isNews ? await WholeSnapshot.findById(USERS).lean() : null;
  if (snapshot) await markDeleted(snapshot, { _id: older._id });
  return isNews;
}

/**
 * Whether a snapshot held all users. That of everything also says so of a collection that does not exist any more.
 * @param {import("./database-change-consumer.js").SnapshotCompleted} end
 */
export function isWhole({ operationType, collection, filtered, collections, filters }) {
  if (operationType === "snapshotCollectionCompleted") return collection === USERS && !filtered;
  return (collections ?? [USERS]).includes(USERS) && filters?.[USERS] === undefined;
}

/**
 * Removes the users that a whole snapshot did not hold: those that no message since its beginning was about. The copies of some may be
 * still to come, since Kafka keeps no order between topics; they are newer, and bring their users back.
 * @param {import("./database-change-consumer.js").SnapshotCompleted} end
 * @returns {Promise<number>} how many
 */
export async function removeOlder({ startedSequence, timestamp }) {
  const snapshot = { sequence: startedSequence, before: hexadecimal(secondOf(timestamp) + 1, 8) };
  await WholeSnapshot.updateOne({ _id: USERS }, snapshot, { upsert: true });
  return markDeleted(snapshot);
}

async function markDeleted({ sequence, before }, which = {}) {
  const older = { sequence: { $lt: sequence }, version: { $lt: before } };
  const gone = { $set: { deleted: true }, $unset: { name: true, email: true, stale: true } };
  const isOlder = { $or: [older, { version: { $exists: false } }] };
  return (await UserCopy.updateMany({ ...which, ...isOlder, deleted: { $ne: true } }, gone)).modifiedCount;
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
  const seconds = snapshot === undefined ? parseInt(eventId.slice(2, 10), 16) : secondOf(timestamp);
  return `${hexadecimal(seconds, 8)}-${hexadecimal(sequence, 16)}`;
}

function secondOf(timestamp) {
  return Math.floor(Date.parse(timestamp) / 1000);
}

function hexadecimal(number, digits) {
  return number.toString(16).padStart(digits, "0");
}
