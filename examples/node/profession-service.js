// The guide's profession service: keeps a copy of the dashboard's users.
//
//   KAFKA_BROKERS=localhost:9092 KAFKA_TOPICS=database.insert,database.update,database.delete node profession-service.js
//
// On stdout it prints a JSON line for each change that was news. SIGTERM and Ctrl-C finish the message in hand.

import { CopyOfUsers } from "./copy-of-users.js";
import { DatabaseChangeConsumer } from "./database-change-consumer.js";

const list = (text) => text.split(",").map((part) => part.trim());

const consumer = new DatabaseChangeConsumer({
  brokers: list(process.env.KAFKA_BROKERS ?? "localhost:9092"),
  groupId: process.env.KAFKA_GROUP_ID ?? "profession-service",
  topics: list(process.env.KAFKA_TOPICS ?? "database.insert,database.update,database.delete"),
});
const users = new CopyOfUsers();

consumer.on("users", async (change) => {
  if (await users.apply(change)) {
    console.log(JSON.stringify({ operation: change.operationType, key: change.documentKey._id, sequence: change.sequence }));
  }
});

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, async () => {
    await consumer.stop();
    console.log(JSON.stringify({ users: users.documents() }));
  });
}

await consumer.run();
