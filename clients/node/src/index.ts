export { type Change, type Gap, type KafkaRecord, type Message, type UpdateDescription } from "./change.js";
export {
  type BatchSelection,
  type ConsumerConfig,
  DatabaseChangeConsumer,
  type Handler,
  type SingleSelection,
} from "./consumer.js";
export type { RegistryOptions } from "./decoding/schemas.js";
export type { ConsumerCounts } from "./delivery/dispatcher.js";
export {
  ConfigurationError,
  ConsumerError,
  DeadLetterFailed,
  ForeignMessage,
  HandlerFailed,
  NotPermitted,
  ReadError,
  Reject,
} from "./errors.js";
export type { Log } from "./log.js";
export type { ConsumerOptions } from "./options.js";
export type { Selection } from "./registration/selection.js";
export type { SnapshotAborted, SnapshotCompleted, SnapshotStarted } from "./snapshots.js";
