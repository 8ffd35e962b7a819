import { ConfigurationError } from "./errors.js";
import { TopicPlaces } from "./decoding/places.js";
import type { RegistryOptions } from "./decoding/schemas.js";

const MEBIBYTE = 1024 * 1024;

/** Options of a consumer. With the defaults no message is lost. Times are milliseconds. */
export interface ConsumerOptions {
  /** Attempts for the same message before `onError` applies. Null: until the handler succeeds. Default 5. */
  attempts: number | null;
  /** Wait before the second attempt; it doubles with each further one. Default 500. */
  backoffMs: number;
  /** Longest wait between two attempts. Default 30,000. */
  longestBackoffMs: number;
  /** Action when the attempts are used up: put the message into the dead-letter topic, or end with HandlerFailed. */
  onError: "dead-letter" | "stop";
  /** Action for a record that no watcher has written. Use "skip" if others write to the same topics. */
  onForeign: "dead-letter" | "skip" | "stop";
  /** The dead-letter topic. Null: `<groupId>.dead-letter`. */
  deadLetterTopic: string | null;
  /** Form of the topics' names, as in the watcher's settings, for the envelope `document`. Default `{database}.{collection}`. */
  topicTemplate: string;
  /** The schema registry of messages in Avro. */
  schemaRegistry: RegistryOptions | null;
  /** Where a group without offsets begins. Default "earliest". */
  offsetReset: "earliest" | "latest";
  /** True if messages of several topics are put in order by `sequence`. */
  ordered: boolean;
  /** Longest wait of a message for earlier ones from a partition that has gone silent. Default 2,000. */
  orderWaitMs: number;
  /** Limit for messages that are held back at once, in bytes of JSON. Default 64 MiB. */
  bufferBytes: number;
  /** Number of each watcher's latest messages that are remembered, to recognise those that come again. Default 10,000. */
  redeliveryWindow: number;
  /** Interval between commits of offsets. Default 1,000. */
  commitEveryMs: number;
  /** Time after which a handler counts as hanging. Null: never. Default 120,000. */
  hangAfterMs: number | null;
  /** Action for a hanging handler: log it, and with "exit" end the process as well, with exit code 70. */
  onHang: "report" | "exit";
  /** Time after which the group takes a member that was killed for gone. Default 10,000. */
  sessionTimeoutMs: number;
  /** Interval for looking for topics that did not exist before. Default 10,000. */
  newTopicsMs: number;
}

const DEFAULTS: ConsumerOptions = {
  attempts: 5,
  backoffMs: 500,
  longestBackoffMs: 30_000,
  onError: "dead-letter",
  onForeign: "dead-letter",
  deadLetterTopic: null,
  topicTemplate: "{database}.{collection}",
  schemaRegistry: null,
  offsetReset: "earliest",
  ordered: true,
  orderWaitMs: 2000,
  bufferBytes: 64 * MEBIBYTE,
  redeliveryWindow: 10_000,
  commitEveryMs: 1000,
  hangAfterMs: 120_000,
  onHang: "report",
  sessionTimeoutMs: 10_000,
  newTopicsMs: 10_000,
};

const CHOICES: Partial<Record<keyof ConsumerOptions, readonly string[]>> = {
  onError: ["dead-letter", "stop"],
  onForeign: ["dead-letter", "skip", "stop"],
  offsetReset: ["earliest", "latest"],
  onHang: ["report", "exit"],
};

const LEAST: Partial<Record<keyof ConsumerOptions, number>> = {
  attempts: 1,
  hangAfterMs: 1,
  bufferBytes: 1,
  commitEveryMs: 1,
  sessionTimeoutMs: 1,
  newTopicsMs: 1,
  backoffMs: 0,
  longestBackoffMs: 0,
  orderWaitMs: 0,
  redeliveryWindow: 0,
};

/** Longest time of Node's timers. A longer one, such as Infinity, is to them one millisecond. */
const LONGEST_MS = 2 ** 31 - 1;

const MAY_BE_NULL: readonly (keyof ConsumerOptions)[] = ["attempts", "hangAfterMs"];

/** Return the dead-letter topic of a group. */
export function deadLettersOf(options: ConsumerOptions, groupId: string): string {
  return options.deadLetterTopic ?? `${groupId}.dead-letter`;
}

/** Fill in the defaults. Throws ConfigurationError for an option that there is not, or an impossible value. */
export function checkedOptions(given: Partial<ConsumerOptions>): ConsumerOptions {
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  for (const [name, value] of set) {
    if (!(name in DEFAULTS)) throw new ConfigurationError(`there is no option ${name}`);
    checkValue(name as keyof ConsumerOptions, value);
  }
  return { ...DEFAULTS, ...Object.fromEntries(set) };
}

function checkTemplate(template: unknown): void {
  try {
    new TopicPlaces(template as string);
  } catch (error) {
    throw new ConfigurationError(`topicTemplate: ${(error as Error).message}`);
  }
}

function checkValue(name: keyof ConsumerOptions, value: unknown): void {
  if (name === "topicTemplate") checkTemplate(value);
  const choices = CHOICES[name];
  if (choices && !choices.includes(value as string)) {
    throw new ConfigurationError(`${name} must be one of ${choices.join(", ")}, not ${JSON.stringify(value)}`);
  }
  const least = LEAST[name];
  if (least === undefined || (value === null && MAY_BE_NULL.includes(name))) return;
  if (typeof value !== "number" || !(value >= least)) {
    throw new ConfigurationError(`${name} must be a number, at least ${least}, not ${JSON.stringify(value)}`);
  }
  if (name.endsWith("Ms") && value > LONGEST_MS) {
    const never = MAY_BE_NULL.includes(name) ? "; null is never" : "";
    throw new ConfigurationError(`${name} must be at most ${LONGEST_MS}, not ${value}${never}`);
  }
}
