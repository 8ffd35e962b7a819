// Rules for the names of topics, as in watcher/consumer/names.py.

import { ConfigurationError } from "../errors.js";

const LONGEST_TOPIC = 249;
const RULE = `a topic has at most ${LONGEST_TOPIC} of the characters A-Z, a-z, 0-9, '.', '_' and '-'`;

function isTopic(name: string): boolean {
  return /^[A-Za-z0-9._-]+$/.test(name) && name.length <= LONGEST_TOPIC && name !== "." && name !== "..";
}

/** Throw ConfigurationError for a topic that can never exist. */
export function checkTopics(topics: readonly (string | RegExp)[]): void {
  for (const topic of topics) {
    if (typeof topic === "string" && !isTopic(topic)) {
      throw new ConfigurationError(`there can be no topic "${topic}": ${RULE}; a pattern is a RegExp`);
    }
  }
}

/**
 * Throw ConfigurationError if dead letters could not be written to this topic. Otherwise only the first bad message would show it.
 */
export function checkDeadLetterTopic(name: string, topics: readonly (string | RegExp)[]): void {
  if (!isTopic(name)) {
    throw new ConfigurationError(`the dead letters cannot go to "${name}": ${RULE}. Set the option deadLetterTopic`);
  }
  const alike = topics.find((each) => typeof each === "string" && asInMetrics(each) === asInMetrics(name));
  if (alike)
    throw new ConfigurationError(
      `the dead letters cannot go to ${name}: Kafka takes it for ${alike}. Set the option deadLetterTopic`,
    );
}

/** Return the name as Kafka's metrics show it. Kafka refuses a topic that differs from another one only in `.` and `_`. */
function asInMetrics(name: string): string {
  return name.replaceAll(".", "_");
}
