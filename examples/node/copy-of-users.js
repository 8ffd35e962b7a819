// A copy of the users' names and addresses, in this service's own MongoDB, that a message can reach twice or late without harm.
//
// A consumer that ends before its offset is committed reads messages again. So a row keeps the `version` of the message that has
// written it, and changes only for a newer one. A deleted user leaves its version behind, or an older message would bring it back.

import mongoose from "mongoose";

export const USERS = "users";

const UserCopy = mongoose.model(
  "UserCopy",
  new mongoose.Schema(
    {
      _id: mongoose.Schema.Types.ObjectId,
      name: String,
      email: String,
      version: String, // absent in rows that were there before, such as those of the models' own watchers: any message is newer
      sequence: Number, // the message's number, for people who look for it, and for `removeOlder`
      deleted: Boolean,
      stale: Boolean, // changed since, but the message came without the document: read it from where the users are
    },
    { collection: USERS, versionKey: false },
  ),
);

/**
 * Apply changes, oldest first: one read and one write for all of them, since each waits until a majority of MongoDB has it on disk.
 * @param {import("database-watcher-consumer").Change[]} changes
 * @returns {Promise<import("database-watcher-consumer").Change[]>} those that were news
 */
export async function applyToCopy(changes) {
  const found = await UserCopy.find({ _id: { $in: changes.map(({ key }) => key) } }).lean();
  const rows = new Map(found.map((row) => [String(row._id), row]));
  const news = changes.filter((change) => {
    const row = rows.get(change.key);
    if (row?.version >= change.version) return false;
    rows.set(change.key, rowAfter(row, change));
    return true;
  });
  const writes = [...new Set(news.map(({ key }) => key))].map((key) => ({
    replaceOne: { filter: olderThan(key, rows.get(key)), replacement: rows.get(key), upsert: true },
  }));
  if (writes.length > 0) await UserCopy.bulkWrite(writes, { ordered: false });
  return news;
}

/**
 * Remove the users that a whole snapshot did not hold: those that no message since its beginning was about.
 * @param {import("database-watcher-consumer").SnapshotCompleted} snapshot
 * @returns {Promise<number>} how many
 */
export async function removeOlder({ startedSequence, timestamp }) {
  const second = Math.floor(timestamp.getTime() / 1000) + 1; // a watcher that counts from 1 again writes only later versions
  const before = second.toString(16).toUpperCase().padStart(8, "0");
  const older = [{ version: { $exists: false } }, { sequence: { $lt: startedSequence }, version: { $lt: before } }];
  const gone = { $set: { deleted: true }, $unset: { name: true, email: true, stale: true } };
  return (await UserCopy.updateMany({ $or: older, deleted: { $ne: true } }, gone)).modifiedCount;
}

/**
 * The row, unless another member of the group has written a newer one meanwhile: then the upsert fails, and the batch is tried
 * again.
 */
function olderThan(key, { version }) {
  return { _id: key, $or: [{ version: { $exists: false } }, { version: { $lt: version } }] };
}

function rowAfter(row, { operation, version, sequence, message: { fullDocument } }) {
  const place = { version, sequence };
  if (operation === "delete" || fullDocument === null) return { ...place, deleted: true }; // null: its delete follows
  if (fullDocument === undefined) return { ...place, name: row?.name, email: row?.email, stale: true }; // it was too large for Kafka
  return { ...place, name: fullDocument.name, email: fullDocument.email };
}
