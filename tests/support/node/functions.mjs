// Calls one function of the package with each line of stdin, and prints what it returns, so that Python can compare.
//
//   node functions.mjs <the package's dist> <function>

import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const [, , dist, name] = process.argv;
const load = (module) => import(`${pathToFileURL(dist)}/${module}.js`);
const buffer = (base64) => (base64 === null ? null : Buffer.from(base64, "base64"));

const { Attempts, Stopped } = await load("delivery/attempts");
const { DeadLetters } = await load("delivery/dead-letters");
const { Dispatcher } = await load("delivery/dispatcher");
const { Offsets } = await load("offsets/handled");
const { checkedOptions } = await load("options");
const { DatabaseChangeConsumer, Reject } = await load("index");
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

  /** What is told of hanging handlers while one is called that takes some time, and fails so many times. */
  async attempts({ failures, milliseconds, options }) {
    const told = [];
    const log = { warn: () => {}, error: (line) => told.push(line) };
    const attempts = new Attempts(checkedOptions(options), log, (pause) => wait(pause), (changes) => changes);
    let calls = 0;
    const handler = async () => {
      await wait(milliseconds);
      if (++calls <= failures) throw new Error("away");
    };
    await attempts.call(handler, [changeOf({ operationType: "insert", database: "d", watcher: "w", sequence: 1, eventId: "e" })]);
    return { calls, told };
  },

  /**
   * What a handler of everything gets, and how many messages count as repeated. A message may have a gap before it. With `failing`
   * the handler takes no batch; `stopAfter` so many pauses between two calls the consumer is told to stop.
   */
  async dispatch({ batchSize, messages, failing = false, stopAfter = Infinity }) {
    const got = [];
    const routes = new Routes();
    const rest = { batchSize, waitMs: 1000, concurrency: 0, isOfControl: false };
    const handler = (changes) => {
      if (failing && changes.length > 1) throw new Reject("one of them is bad");
      got.push(changes.map(({ operation, sequence }) => `${operation} ${sequence}`));
    };
    routes.add({ ...checkedSelection({ collection: "*", operations: ["*"] }, []), ...rest, handler });
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
    const [options, offsets, counts] = [checkedOptions({}), new Offsets(), { handled: 0, repeated: 0 }];
    let pauses = 0;
    const pause = async () => {
      if (++pauses > stopAfter) throw new Stopped();
    };
    const attempts = new Attempts(options, log, pause, (changes) => offsets.ours(changes));
    const dispatcher = new Dispatcher({ routes, options, offsets, deadLetters: null, attempts, counts, log });
    const partition = partitionId("t", 0);
    offsets.assign([partition]);
    for (const [offset, { missing, ...message }] of messages.entries()) {
      const change = changeOf({ database: "d", watcher: "w", timestamp: "2024-01-01T12:00:00.000Z", ...message }, "t", 0, offset);
      offsets.taken(partition, offset);
      if (missing) {
        offsets.hold(partition);
        dispatcher.missingBefore(change, missing);
      }
      await dispatcher.take(change).catch((error) => {
        if (!(error instanceof Stopped)) throw error;
      });
    }
    return { got, repeated: counts.repeated };
  },

  /** A record as a dead letter of a dead letter, by a producer that keeps what it is given. */
  async deadLetter({ topic, key, value, headers }) {
    let record = { topic, partition: 2, offset: 5, key: buffer(key), value: buffer(value), headers, timestampMs: 1_704_110_400_000 };
    const producer = { connect: () => {}, send: ({ topic, messages: [message] }) => (record = { ...record, topic, ...message, timestampMs: 1_804_110_400_000 }) };
    const admin = { connect: () => {}, createTopics: () => {}, disconnect: () => {} };
    for (const group of ["service", "repair"]) {
      const letters = new DeadLetters(`${group}.dead-letter`, { producer: () => producer, admin: () => admin }, group, console);
      await letters.send(record, "why", group === "service" ? new Error("odd") : undefined);
    }
    const { message } = read(record, new TopicPlaces("{database}.{collection}"), () => null);
    return { message, topic: record.topic, headers: record.headers };
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

  /** How many listeners each signal has while a consumer runs, and after the first signal. */
  async signals({ config, first }) {
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
    const running = new DatabaseChangeConsumer({ ...config, log }).run();
    const count = () => ["SIGTERM", "SIGINT"].map((signal) => process.listenerCount(signal));
    const before = count();
    process.emit(first);
    const after = count();
    await running;
    return { before, after };
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

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await functions[name](JSON.parse(line))));
}
