// The operations of a watcher's messages, and the headers that name them, as in watcher/operations.py.

export const TOMBSTONE = "tombstone";
export const GAP = "gap";
export const SNAPSHOT_STARTED = "snapshotStarted";
export const SNAPSHOT_ABORTED = "snapshotAborted";
export const SNAPSHOT_COLLECTION_COMPLETED = "snapshotCollectionCompleted";
export const SNAPSHOT_COMPLETED = "snapshotCompleted";

export const WATCHER_HEADER = "watcher.name";
export const SEQUENCE_HEADER = "watcher.sequence";
export const EVENT_ID_HEADER = "watcher.eventId";
export const OPERATION_HEADER = "watcher.operation";

/** Operations that change one document. */
export const ROW_OPERATIONS = ["insert", "update", "replace", "delete"] as const;

/** Operations whose messages name no collection. */
export const OF_A_DATABASE: readonly string[] = [
  "dropDatabase",
  "invalidate",
  GAP,
  "rewind",
  SNAPSHOT_STARTED,
  SNAPSHOT_COMPLETED,
  SNAPSHOT_ABORTED,
];

export const OPERATIONS: readonly string[] = [
  ...ROW_OPERATIONS,
  "rename",
  "drop",
  SNAPSHOT_COLLECTION_COMPLETED,
  "deadLetter",
  ...OF_A_DATABASE,
];

/** Name, glob, or operation that stands for all of them. */
export const ANY = "*";
