import { type PartitionId, partitionOf } from "../change.js";
import { deleted, gone } from "./continuity.js";

/** Where reading a partition begins. */
export interface Start {
  readonly partition: PartitionId;
  readonly offset: number;
  /** True if the group has no offset. */
  readonly isNew: boolean;
  /** Text about the messages that are missing before; null if none are. */
  readonly missing: string | null;
}

type OffsetsOf = (of: PartitionId[]) => Promise<ReadonlyMap<PartitionId, number>>;

/** Find where reading partitions begins. The group may have no offset, or one that Kafka has no longer. */
export async function findStarts(
  partitions: PartitionId[],
  group: { committed(topics: string[]): Promise<ReadonlyMap<PartitionId, number>> },
  log: { beginnings: OffsetsOf; ends: OffsetsOf },
  reset: "earliest" | "latest",
): Promise<Start[]> {
  if (partitions.length === 0) return [];
  const committed = await group.committed([...new Set(partitions.map((each) => partitionOf(each).topic))]);
  const [beginnings, ends] = [await log.beginnings(partitions), await log.ends(partitions)];
  return partitions.map((partition) => {
    const [offset, first, end] = [committed.get(partition) ?? -1, beginnings.get(partition) ?? 0, ends.get(partition) ?? Infinity];
    return { partition, ...startOf(partition, offset, first, end, reset === "earliest" ? first : end) };
  });
}

function startOf(
  partition: PartitionId,
  committed: number,
  first: number,
  end: number,
  otherwise: number,
): Omit<Start, "partition"> {
  if (committed < 0) return { offset: otherwise, isNew: true, missing: null };
  if (committed > end) return { offset: otherwise, isNew: false, missing: gone(partition, committed, otherwise) };
  const missing = committed < first ? deleted(partition, committed, first) : null;
  return { offset: missing ? first : committed, isNew: false, missing };
}
