import type { Cluster, Kafka } from "kafkajs";

import { byTopic, type PartitionId, partitionId } from "../change.js";
import { rangeAssigner } from "./range-assigner.js";

/**
 * Asks Kafka for the ends of partitions, uncommitted records included, and for their beginnings.
 *
 * kafkajs's admin client counts committed records only. But it gives a consumer's assigner the cluster, through which that consumer
 * asks; so this one reads uncommitted records, and never joins its group.
 */
export class LogEnds {
  readonly #cluster: Cluster;

  constructor(kafka: Kafka, groupId: string) {
    let cluster: Cluster | undefined;
    kafka.consumer({
      groupId,
      readUncommitted: true,
      allowAutoTopicCreation: false,
      partitionAssigners: [
        (given) => {
          ({ cluster } = given);
          return rangeAssigner(given);
        },
      ],
    });
    this.#cluster = cluster!;
  }

  /** Return the offsets at which new records will be written. */
  ends(partitions: Iterable<PartitionId>): Promise<Map<PartitionId, number>> {
    return this.#offsets(partitions, false);
  }

  /** Return the lowest offsets that Kafka has. */
  beginnings(partitions: Iterable<PartitionId>): Promise<Map<PartitionId, number>> {
    return this.#offsets(partitions, true);
  }

  async close(): Promise<void> {
    if (this.#cluster.isConnected()) await this.#cluster.disconnect();
  }

  async #offsets(partitions: Iterable<PartitionId>, fromBeginning: boolean): Promise<Map<PartitionId, number>> {
    const wanted = byTopic(
      [...partitions].map((id) => [id, fromBeginning] as const),
      (partition) => ({ partition }),
    );
    await this.#cluster.connect();
    await this.#cluster.addMultipleTargetTopics([...wanted.keys()]);
    const topics = [...wanted].map(([topic, its]) => ({ topic, partitions: its, fromBeginning }));
    const found = await this.#cluster.fetchTopicsOffset(topics).catch(async (error: unknown) => {
      await this.#cluster.refreshMetadata(); // the next question may find other leaders
      throw error;
    });
    const offsets = new Map<PartitionId, number>();
    for (const { topic, partitions: its } of found) {
      for (const { partition, offset } of its) offsets.set(partitionId(topic, partition), Number(offset));
    }
    return offsets;
  }
}
