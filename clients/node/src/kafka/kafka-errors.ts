import { ConfigurationError, type ConsumerError, NotPermitted, ReadError } from "../errors.js";

const NOT_AUTHORISED = ["TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED"];
const RIGHTS_HINT = "The principal needs Read and Describe on the watcher's topics, and a consumer Read on its group.";
const CODEC_HINT = "kafkajs needs a codec for it: https://kafka.js.org/docs/producing#compression-codecs";

/** Error of kafkajs, or of Kafka by its `type`. */
export interface KafkaError extends Error {
  readonly type?: string;
}

/** True for an error of kafkajs's; others are faults of a program. */
export function isKafkas(error: unknown): boolean {
  return error instanceof Error && error.name.startsWith("KafkaJS");
}

/** Return the error that kafkajs has wrapped into others. */
export function causeOf(error: unknown): KafkaError {
  let cause = error as KafkaError;
  while (cause?.cause instanceof Error) cause = cause.cause as KafkaError;
  return cause;
}

/** Return our error for one of Kafka's that no waiting will mend; null for all others. */
export function hopeless(error: unknown): ConsumerError | null {
  const cause = causeOf(error);
  const { name, type = "", message } = cause;
  if (name === "KafkaJSSASLAuthenticationError") {
    return new NotPermitted(message, { hint: "Check sasl and ssl in the argument kafka.", cause });
  }
  if (NOT_AUTHORISED.includes(type)) return new NotPermitted(message, { hint: RIGHTS_HINT, cause });
  if (name === "KafkaJSNotImplemented") return new ConfigurationError(message, { hint: CODEC_HINT, cause });
  if (type === "INCONSISTENT_GROUP_PROTOCOL") {
    return new ReadError(message, {
      hint: "All members of a group need the same assignment: range is what this one has.",
      cause,
    });
  }
  return null;
}
