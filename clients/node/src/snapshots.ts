// The values that handlers of snapshots receive: one for each kind of control message about their course.

import type { Change } from "./change.js";
import { Reject } from "./errors.js";
import { ANY } from "./operations.js";
import { matches } from "./registration/globs.js";

interface SnapshotMessage {
  readonly database: string;
  readonly watcher: string;
  readonly sequence: number;
  readonly timestamp: Date;
  readonly snapshot: string;
}

/**
 * A snapshot begins: documents that are there already come as well, with this id in `Change.snapshot`. `operation` is that of the
 * documents. `collections` are the names and globs that were chosen, none for all. `filters` holds the query of some collections,
 * as MongoDB Extended JSON.
 */
export interface SnapshotStarted extends SnapshotMessage {
  readonly reason: string;
  readonly operation: string;
  readonly collections: readonly string[];
  readonly filters: Readonly<Record<string, string>>;
}

/** A snapshot has ended early, after so many `documents`. Nothing follows from what it has not copied. */
export interface SnapshotAborted extends SnapshotMessage {
  readonly startedSequence: number;
  readonly documents: number;
  readonly reason: string;
}

/**
 * A snapshot has copied a collection, or everything: then `collection` is null. `documents` is the number of copies. `filtered`
 * says that a query chose the documents of `collection`. `collections` and `filters` are the snapshot's choice once everything is
 * copied, and empty before.
 *
 * What the snapshot `covers` is in the source only if a message numbered from `startedSequence` on has told of it. So a copy
 * removes what this watcher's messages last touched before.
 */
export class SnapshotCompleted implements SnapshotMessage {
  readonly database: string;
  readonly watcher: string;
  readonly sequence: number;
  readonly timestamp: Date;
  readonly snapshot: string;
  readonly startedSequence: number;
  readonly collection: string | null;
  readonly documents: number;
  readonly filtered: boolean;
  readonly collections: readonly string[];
  readonly filters: Readonly<Record<string, string>>;

  constructor(change: Change) {
    ({ database: this.database, watcher: this.watcher, sequence: this.sequence } = change);
    ({ timestamp: this.timestamp, snapshot: this.snapshot } = head(change));
    this.startedSequence = field(change, "startedSequence");
    this.collection = change.collection;
    this.documents = field(change, "documents");
    this.filtered = change.collection !== null && field<boolean>(change, "filtered");
    ({ collections: this.collections, filters: this.filters } = choice(change));
  }

  /**
   * True if all documents of the collection, which the watcher delivers, have been copied. A whole snapshot also covers
   * collections that do not exist any more. `database` is for a watcher of several databases. Without it, a whole snapshot covers
   * the collection if it does so in each.
   */
  covers(collection: string, database?: string): boolean {
    if (this.collection !== null) {
      return collection === this.collection && (database ?? this.database) === this.database && !this.filtered;
    }
    const filters = Object.keys(this.filters);
    if (this.database === ANY) return this.#coversIn(database, collection, filters.map(pattern));
    const chosen = this.collections.length === 0 || this.collections.some((each) => matches(collection, each));
    return chosen && !filters.includes(collection);
  }

  #coversIn(database: string | undefined, collection: string, filters: Pattern[]): boolean {
    const patterns = this.collections.map(pattern);
    const takes = (each: Pattern) =>
      (database === undefined || matches(database, each.database)) && matches(collection, each.collection);
    const everywhere = database === undefined ? patterns.filter((each) => each.database === ANY) : patterns;
    return (patterns.length === 0 || everywhere.some(takes)) && !filters.some(takes);
  }
}

/** Return the beginning that a control message announces. Throws Reject if the message lacks a field. */
export function startedOf(change: Change): SnapshotStarted {
  return { ...head(change), ...choice(change), reason: field(change, "reason"), operation: field(change, "snapshotOperation") };
}

/** Return the early end that a control message announces. Throws Reject if the message lacks a field. */
export function abortedOf(change: Change): SnapshotAborted {
  const [startedSequence, documents] = [field<number>(change, "startedSequence"), field<number>(change, "documents")];
  return { ...head(change), startedSequence, documents, reason: field(change, "reason") };
}

function head(change: Change): SnapshotMessage {
  const { database, watcher, sequence, timestamp } = change;
  return { database, watcher, sequence, timestamp, snapshot: field(change, "snapshot") };
}

function choice({ message }: Change): { collections: string[]; filters: Record<string, string> } {
  return { collections: message["collections"] ?? [], filters: message["filters"] ?? {} };
}

/** Return a field that must be there. No further attempt would help. */
function field<T = string>(change: Change, name: string): T {
  const value = change.message[name];
  if (value === undefined) throw new Reject(`a ${change.operation} that cannot be read: it has no ${name}`);
  return value as T;
}

interface Pattern {
  readonly database: string;
  readonly collection: string;
}

/** Split a name or glob of a watcher of several databases. Without a dot outside brackets, it is about the collections of each. */
function pattern(name: string): Pattern {
  const database = /^(?:\[!?\]?[^\]]*\]|[^.])*/.exec(name)?.[0] ?? "";
  return database.length === name.length
    ? { database: ANY, collection: name }
    : { database, collection: name.slice(database.length + 1) };
}
