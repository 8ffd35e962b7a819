// The guide's profession service: keeps a copy of the dashboard's users in a MongoDB of its own.
//
//   KAFKA_BROKERS=localhost:9092 MONGODB_URI=mongodb://localhost:27017/profession node profession-service.js
//
// On stdout it prints a JSON line for each change that was news, and for each removal of what a snapshot has not found. SIGTERM and
// Ctrl-C finish the messages in hand.

import { DatabaseChangeConsumer, Reject } from "database-watcher-consumer";
import mongoose from "mongoose";

import { applyToCopy, removeOlder, USERS } from "./copy-of-users.js";

const database = process.env.SOURCE_DATABASE ?? "dashboard"; // topics can be shared by watchers of several databases
const options = { attempts: null, sessionTimeoutMs: Number(process.env.KAFKA_SESSION_TIMEOUT_MS ?? 10_000) };
const consumer = DatabaseChangeConsumer.fromEnv({ KAFKA_GROUP_ID: "profession-service", ...process.env }, { options });

consumer.onBatch({ collection: USERS, database }, async (changes) => {
  try {
    for (const { operation, key, sequence } of await applyToCopy(changes)) print({ operation, key, sequence });
  } catch (error) {
    if (!(error instanceof mongoose.Error.CastError)) throw error; // MongoDB is away, or was quicker: the changes come again
    throw new Reject(`it does not fit the schema: ${error.message}`); // and never will: to the dead letters
  }
});

consumer.onSnapshotCompleted(async (snapshot) => {
  if (!snapshot.covers(USERS, database)) return;
  const removed = await removeOlder(snapshot);
  if (removed > 0) print({ removed, sequence: snapshot.sequence });
});

function print(line) {
  console.log(JSON.stringify(line));
}

await mongoose.connect(process.env.MONGODB_URI ?? "mongodb://localhost:27017/profession");
try {
  await consumer.run();
} finally {
  await mongoose.disconnect();
}
