// Tracks the handled messages, and thereby how far each partition may be committed: up to the first unhandled one.

import { type Change, NO_OFFSET, type PartitionId } from "../change.js";

interface Log {
  nextOffset: number | null;
  committed: number | null;
  /**
   * Offsets that were read and are not handled. A Set keeps the order of insertion, and offsets rise: the first is the lowest.
   */
  readonly open: Set<number>;
}

/**
 * The state of each assigned partition. Messages are handled in the order of `sequence`, not always in that of a partition's
 * offsets.
 */
export class Offsets {
  #logs = new Map<PartitionId, Log>();

  /** Track these partitions instead of those before. */
  assign(partitions: Iterable<PartitionId>): void {
    this.#logs = new Map([...partitions].map((each) => [each, { nextOffset: null, committed: null, open: new Set<number>() }]));
  }

  isAssigned(partition: PartitionId): boolean {
    return this.#logs.has(partition);
  }

  /** Note that a record was read. */
  taken(partition: PartitionId, offset: number): void {
    const log = this.#logs.get(partition)!;
    log.open.add(offset);
    log.nextOffset = offset + 1;
  }

  /** Note that there is nothing more to read before `position`; only markers of transactions are there. */
  passed(partition: PartitionId, position: number): void {
    this.#logs.get(partition)!.nextOffset = position;
  }

  /**
   * Hold back commits for something to be reported that has no offset, such as a gap. Until NO_OFFSET is handled, no record that
   * is taken after this is committed.
   */
  hold(partition: PartitionId): void {
    this.#logs.get(partition)?.open.add(NO_OFFSET);
  }

  /** Note that a record is done with. Its partition may have been revoked meanwhile. */
  handled(partition: PartitionId, offset: number): void {
    this.#logs.get(partition)?.open.delete(offset);
  }

  /** Return the changes that are still ours to handle. */
  ours(changes: Change[]): Change[] {
    return changes.filter(({ source, offset }) => this.#logs.get(source)?.open.has(offset));
  }

  /** Return the offset to commit for each partition that has advanced since the last one that was committed. */
  toCommit(): Map<PartitionId, number> {
    const moved = new Map<PartitionId, number>();
    for (const [partition, { open, nextOffset, committed }] of this.#logs) {
      const [first = nextOffset] = open;
      if (first !== null && first !== NO_OFFSET && first !== committed) moved.set(partition, first);
    }
    return moved;
  }

  /** Note that these offsets were committed. */
  committed(offsets: ReadonlyMap<PartitionId, number>): void {
    for (const [partition, offset] of offsets) {
      const log = this.#logs.get(partition);
      if (log) log.committed = offset;
    }
  }
}
