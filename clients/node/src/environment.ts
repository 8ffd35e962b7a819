// Reads a consumer's arguments from the environment variables of the integration guide.

import type { KafkaConfig } from "kafkajs";

import { ConfigurationError } from "./errors.js";

const ROW_TOPICS = {
  KAFKA_TOPIC_INSERT: "database.insert",
  KAFKA_TOPIC_UPDATE: "database.update",
  KAFKA_TOPIC_DELETE: "database.delete",
};

/** The arguments of a consumer that environment variables set. */
export interface Connection {
  brokers: string[];
  groupId: string;
  topics: (string | RegExp)[];
  kafka: Partial<KafkaConfig>;
}

/** Read the arguments. An empty variable counts as not set. Throws ConfigurationError. */
export function readEnvironment(environment: NodeJS.ProcessEnv): Connection {
  const groupId = environment["KAFKA_GROUP_ID"];
  if (!groupId) {
    const hint = "It names the group of consumers, such as profession-service.";
    throw new ConfigurationError("KAFKA_GROUP_ID is not set.", { hint });
  }
  const brokers = (environment["KAFKA_BROKERS"] || "localhost:9092").split(",").map((each) => each.trim());
  return { brokers, groupId, topics: topicsIn(environment), kafka: settingsIn(environment["KAFKA"] || "{}") };
}

/** The topics, by a watcher's own rule: KAFKA_DB_CHANGES_TOPIC is used for the operations without a topic of their own. */
function topicsIn(environment: NodeJS.ProcessEnv): (string | RegExp)[] {
  const everything = environment["KAFKA_DB_CHANGES_TOPIC"];
  const rows = Object.entries(ROW_TOPICS).map(([name, topic]) => environment[name] || everything || topic);
  const topics = [...new Set([...rows, environment["KAFKA_TOPIC_CONTROL"] || "database.control"])];
  const placeholder = topics.find((topic) => /\{[A-Za-z]/.test(topic)); // {2} is a count
  if (placeholder) {
    const hint = "Write a regular expression that begins with ^, such as ^dashboard\\..*\\.insert$.";
    throw new ConfigurationError(`A consumer cannot subscribe to "${placeholder}".`, { hint });
  }
  return topics.map((topic) => (topic.startsWith("^") ? new RegExp(topic) : topic));
}

function settingsIn(text: string): Partial<KafkaConfig> {
  try {
    const settings: unknown = JSON.parse(text);
    if (typeof settings === "object" && settings !== null && !Array.isArray(settings)) return settings;
  } catch {
    // told below
  }
  throw new ConfigurationError("KAFKA must be a JSON object.", {
    hint: 'It holds settings of kafkajs, for example {"ssl": true}.',
  });
}
