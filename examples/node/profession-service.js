// The guide's profession service: keeps a copy of the dashboard's users in a MongoDB of its own.
//
//   KAFKA_BROKERS=localhost:9092 MONGODB_URI=mongodb://localhost:27017/profession node profession-service.js
//
// On stdout it prints a JSON line for each change that was news, and for each removal of what a snapshot has not found. SIGTERM and Ctrl-C finish the message in hand.

import mongoose from "mongoose";

import { applyToCopy, isWhole, removeOlder } from "./copy-of-users.js";
import { DatabaseChangeConsumer } from "./database-change-consumer.js";

const list = (text) => text.split(",").map((part) => part.trim());

const consumer = new DatabaseChangeConsumer({
  brokers: list(process.env.KAFKA_BROKERS ?? "localhost:9092"),
  groupId: process.env.KAFKA_GROUP_ID ?? "profession-service",
  topics: list(process.env.KAFKA_TOPICS ?? "database.insert,database.update,database.delete,database.control"),
  database: process.env.SOURCE_DATABASE ?? "dashboard",
  sessionTimeout: Number(process.env.KAFKA_SESSION_TIMEOUT_MS ?? 30_000),
});

consumer.on("users", async (change) => {
  try {
    if (await applyToCopy(change)) {
      console.log(JSON.stringify({ operation: change.operationType, key: change.documentKey._id, sequence: change.sequence }));
    }
  } catch (error) {
    if (!(error instanceof mongoose.Error.CastError)) throw error; // MongoDB is away: the message comes again
    console.error(`passed over, it does not fit the schema: ${error.message}`); // and never will
  }
});

consumer.onSnapshotCompleted(async (end) => {
  if (!isWhole(end)) return;
  const removed = await removeOlder(end);
  if (removed > 0) console.log(JSON.stringify({ operation: end.operationType, removed, sequence: end.sequence }));
});

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, async () => {
    await consumer.stop();
    await mongoose.disconnect();
  });
}

await mongoose.connect(process.env.MONGODB_URI ?? "mongodb://localhost:27017/profession");
await consumer.run();
