// Reads `count` messages in one way, and prints how long that took from the first one on. benchmarks/node_consumer.py starts it.

import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const { dist, example, brokers, topics, mode, count, mongodb } = JSON.parse(process.argv[2]);
const load = (path) => import(pathToFileURL(path));
const { DatabaseChangeConsumer } = await load(`${dist}/index.js`);
const groupId = randomUUID();
const start = { seconds: 0, cpu: process.cpuUsage() };
let seen = 0;

/** Count messages; true once all are there. The clock runs from the first ones. */
function saw(messages) {
  if (seen === 0) [start.seconds, start.cpu] = [performance.now() / 1000, process.cpuUsage()];
  seen += messages;
  return seen >= count;
}

async function kafkajsAlone() {
  const { Kafka, logLevel } = createRequire(`${dist}/`)("kafkajs");
  const consumer = new Kafka({ brokers, logLevel: logLevel.NOTHING }).consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topics, fromBeginning: true });
  await new Promise((resolve) => {
    const eachBatch = async ({ batch }) => {
      for (const { value } of batch.messages) JSON.parse(value);
      if (saw(batch.messages.length)) resolve();
    };
    void consumer.run({ eachBatch });
  });
  return consumer.disconnect();
}

const library = (register) => async () => {
  const consumer = new DatabaseChangeConsumer({ brokers, groupId, topics });
  const done = (messages) => saw(messages) && consumer.stop();
  register(consumer, done);
  await consumer.run();
};

async function copied(register) {
  const { default: mongoose } = await load(`${example}/node_modules/mongoose/index.js`);
  const { applyToCopy } = await load(`${example}/copy-of-users.js`);
  await mongoose.connect(mongodb);
  await mongoose.connection.dropDatabase();
  await library((consumer, done) => register(consumer, done, applyToCopy))();
  await mongoose.disconnect();
}

const oneByOne = (selection) => (consumer, done, apply) =>
  consumer.on(selection, async (change) => {
    await apply([change]);
    done(1);
  });

const modes = {
  kafkajs: kafkajsAlone,
  library: library((consumer, done) => consumer.on("users", () => void done(1))),
  batches: library((consumer, done) => consumer.onBatch("users", (changes) => void done(changes.length))),
  "copy, one by one": () => copied(oneByOne("users")),
  "copy, 16 documents at once": () => copied(oneByOne({ collection: "users", concurrency: 16 })),
  "copy, batches of 500": () =>
    copied((consumer, done, apply) =>
      consumer.onBatch("users", async (changes) => {
        await apply(changes);
        done(changes.length);
      }),
    ),
};

await modes[mode]();
const { user, system } = process.cpuUsage(start.cpu);
console.log(JSON.stringify({ messages: seen, seconds: performance.now() / 1000 - start.seconds, cpu: (user + system) / 1e6 }));
