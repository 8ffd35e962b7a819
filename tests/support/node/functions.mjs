// Calls one function of the package with each line of stdin, and prints what it returns, so that Python can compare.
//
//   node functions.mjs <the package's dist> <function>

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [, , dist, name] = process.argv;
const load = (module) => import(`${pathToFileURL(dist)}/${module}.js`);
const buffer = (base64) => (base64 === null ? null : Buffer.from(base64, "base64"));

const { DatabaseChangeConsumer } = await load("index");
const { readEnvironment } = await load("environment");
const { Change, partitionId } = await load("change");
const { read } = await load("decoding/decoder");
const { TopicPlaces } = await load("decoding/places");
const { SequenceOrder } = await load("ordering/sequence-order");
const { Routes } = await load("registration/routes");
const { checkedSelection } = await load("registration/selection");
const { SnapshotCompleted } = await load("snapshots");
const { decompressLz4 } = await load("kafka/lz4");
const { assignRange } = await load("kafka/range-assigner");

function changeOf(message, topic = "t", partition = 0, offset = 0) {
  const record = { topic, partition, offset, key: null, value: null, headers: {}, timestampMs: 0 };
  return new Change(message, record);
}

const functions = {
  /** The message in a record, and what follows from it; null if it is none. */
  decode({ key, value, headers, topic, timeMs, template, schemas }) {
    const texts = Object.fromEntries(Object.entries(headers).map(([header, text]) => [header, Buffer.from(text)]));
    const record = {
      topic,
      partition: 0,
      offset: 0,
      key: buffer(key),
      value: buffer(value),
      headers: texts,
      timestampMs: timeMs,
    };
    try {
      const { message, version, token } = read(record, new TopicPlaces(template), (id) => schemas[id]);
      return { message, version, token };
    } catch (error) {
      if (error.constructor.name !== "UnknownMessage") throw error;
      return null;
    }
  },

  /** What goes, and what is told, at each step of reading. */
  order({ waitMs, partitions, steps }) {
    const began = [];
    const warned = [];
    const order = new SequenceOrder({
      waitMs,
      bufferBytes: 1 << 20,
      ordered: true,
      log: { warn: (line) => warned.push(line) },
      isRepeated: () => false,
      beganAgain: ({ sequence }) => began.push(sequence),
    });
    order.assign(partitions.map(([topic, number]) => partitionId(topic, number)));
    const gone = [];
    let nowMs = 0;
    const handlers = {
      listen(milliseconds) {
        nowMs += milliseconds;
        order.beginRound(nowMs);
      },
      add: (topic, number, offset, sequence, eventId) =>
        order.add(changeOf({ operationType: "insert", database: "d", watcher: "w", sequence, eventId }, topic, number, offset), 0),
      end: (ends) => order.answer(order.round, new Map(ends.map(([topic, number, end]) => [partitionId(topic, number), end]))),
      passed: (topic, number, position) => order.passed(partitionId(topic, number), position),
      ready: () => gone.push([...order.ready()].map(({ topic, offset }) => [topic, offset])),
      unclear: () => gone.push([...order.unclear()].sort()),
    };
    for (const [step, ...rest] of steps) handlers[step](...rest);
    return { gone, began, warned: warned.length };
  },

  /** The index of the route that takes a message, or the text of the refusal of one. */
  route({ routes, message }) {
    const chosen = new Routes();
    try {
      routes.forEach((selection, index) => {
        const rest = { batchSize: 0, waitMs: 0, concurrency: 0, isOfControl: false };
        chosen.add({ ...checkedSelection(selection, []), ...rest, handler: () => index });
      });
    } catch {
      return "refused";
    }
    return chosen.find(changeOf(message))?.handler() ?? null;
  },

  covers: ({ message, collection, database }) => new SnapshotCompleted(changeOf(message)).covers(collection, database ?? undefined),

  /** The error of a consumer that cannot be; null for one that can. */
  refusal({ config, selections }) {
    try {
      const consumer = new DatabaseChangeConsumer(config);
      for (const selection of selections) consumer.on(selection, () => {});
      return null;
    } catch (error) {
      return error.message;
    }
  },

  environment(variables) {
    try {
      const { topics, ...rest } = readEnvironment(variables);
      return { ...rest, topics: topics.map(String) };
    } catch (error) {
      return error.message;
    }
  },

  lz4: (frames) => decompressLz4(buffer(frames)).toString("base64"),

  range: ({ members, counts }) => Object.fromEntries(assignRange(new Map(Object.entries(members)), (topic) => counts[topic])),
};

for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(functions[name](JSON.parse(line))));
