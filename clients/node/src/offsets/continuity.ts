import type { PartitionId } from "../change.js";

/**
 * Keeps the offset that should come next in each partition. Markers of transactions and aborted records count, since kafkajs tells
 * their offsets. So records are missing if an offset below the expected one arrives, or if Kafka's first offset is above it.
 */
export class Continuity {
  #next = new Map<PartitionId, number>();

  /** Forget what was expected: the partitions were assigned anew. */
  clear(): void {
    this.#next.clear();
  }

  /** Note the offset at which reading a partition begins. */
  begin(partition: PartitionId, offset: number): void {
    this.#next.set(partition, offset);
  }

  /** True if `offset` is not the one that should come next, but a later one. */
  isSkipped(partition: PartitionId, offset: number): boolean {
    return offset > (this.#next.get(partition) ?? offset);
  }

  /**
   * Note offsets that hold only markers of transactions and aborted records. If any were skipped before, the next message shows
   * it.
   */
  passed(partition: PartitionId, offset: number, following: number): void {
    if (offset === this.#next.get(partition)) this.#next.set(partition, following);
  }

  /**
   * Note that records begin at `offset`, and that `following` should come next. `firstOffset` is the lowest offset that Kafka
   * has. Return a text about the records that are missing before them, or null.
   */
  came(partition: PartitionId, offset: number, following: number, firstOffset: number): string | null {
    const expected = this.#next.get(partition) ?? offset;
    this.#next.set(partition, following);
    if (offset < expected) return gone(partition, expected, offset);
    return offset > expected && firstOffset > expected ? deleted(partition, expected, offset) : null;
  }
}

/** Text about an offset that was there before. */
export function gone(partition: PartitionId, expected: number, next: number): string {
  return `${partition}: offset ${expected} is gone, the next one is ${next}: the topic was created again, or has lost records`;
}

/** Text about offsets that Kafka has no longer. */
export function deleted(partition: PartitionId, expected: number, next: number): string {
  return `${partition}: offsets ${expected} to ${next - 1} were deleted, by retention or by hand, before they were read`;
}
