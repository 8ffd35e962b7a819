// A DatabaseChangeConsumer that prints a JSON line for each call of a handler, as a plan says.
//
//   node consumer.mjs '{"dist": …, "config": {…}, "plan": [{"on": "users", "failures": {"2": -1}}, {"gap": true}]}'
//
// `failures` has how often a handler fails with a key, -1 for always; `rejects` has keys for which it throws Reject; `pauseMs` is
// how long it takes. The last line tells how it ended.

import { setTimeout as wait } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const { dist, config, plan } = JSON.parse(process.argv[2]);
const { DatabaseChangeConsumer, Reject } = await import(`${pathToFileURL(dist)}/index.js`);

const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const log = Object.fromEntries(
  ["debug", "info", "warn", "error"].map((level) => [level, (line) => process.stderr.write(`${level}: ${line}\n`)]),
);
const topics = config.topics.map((topic) => (topic.startsWith("^") ? new RegExp(topic) : topic));
const consumer = new DatabaseChangeConsumer({ ...config, topics, log });

const short = ({ operation, key, sequence, watcher, topic, partition }) => ({
  operation,
  key,
  sequence,
  watcher,
  topic,
  partition,
});

function handlerOf({ failures = {}, rejects = [], pauseMs = 0 }) {
  return async (given) => {
    const changes = Array.isArray(given) ? given : [given];
    if (pauseMs) await wait(pauseMs);
    for (const { key } of changes) {
      if (rejects.includes(key)) throw new Reject(`no use for ${key}`);
      if (!failures[key]) continue;
      failures[key]--;
      tell({ failed: key });
      throw new RangeError(`no such practitioner: ${key}`);
    }
    if (Array.isArray(given)) tell({ batch: changes.map(short) });
    else tell({ change: short(given) });
  };
}

for (const each of plan) {
  if (each.on) consumer.on(each.on, handlerOf(each));
  if (each.onBatch) consumer.onBatch(each.onBatch, handlerOf(each));
  if (each.gap) consumer.onGap((gap) => tell({ gap }));
  if (each.started) consumer.onSnapshotStarted((started) => tell({ started }));
  if (each.completed) consumer.onSnapshotCompleted((done) => tell({ completed: done, covers: done.covers(each.completed) }));
  if (each.aborted) consumer.onSnapshotAborted((aborted) => tell({ aborted }));
  if (each.other) consumer.onOther((change) => tell({ other: short(change) }));
}

try {
  await consumer.run();
  tell({ ended: "stopped", counts: consumer.counts });
} catch (error) {
  tell({ ended: error.name, message: error.message, hint: error.hint, counts: consumer.counts });
  process.exitCode = 1;
}
