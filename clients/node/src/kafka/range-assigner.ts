// Kafka's range assignment: partition n of each topic goes to the same member, so that all messages about a document do. kafkajs
// has round robin alone. The name and the protocol are those of other clients, so a group may have members in other languages.

import { AssignerProtocol, type PartitionAssigner } from "kafkajs";

const VERSION = 0;

export const rangeAssigner: PartitionAssigner = ({ cluster }) => ({
  name: "range",
  version: VERSION,
  protocol: ({ topics }) => ({
    name: "range",
    metadata: AssignerProtocol.MemberMetadata.encode({ version: VERSION, topics, userData: Buffer.alloc(0) }),
  }),
  assign: async ({ members }) => {
    const subscriptions = new Map(
      members.map(({ memberId, memberMetadata }) => [
        memberId,
        AssignerProtocol.MemberMetadata.decode(memberMetadata)?.topics ?? [],
      ]),
    );
    const countOf = (topic: string) => cluster.findTopicPartitionMetadata(topic).length;
    return [...assignRange(subscriptions, countOf)].map(([memberId, assignment]) => ({
      memberId,
      memberAssignment: AssignerProtocol.MemberAssignment.encode({ version: VERSION, assignment, userData: Buffer.alloc(0) }),
    }));
  },
});

/** Share out the partitions of each topic among the members that have subscribed to it, in the order of their ids. */
export function assignRange(
  subscriptions: ReadonlyMap<string, readonly string[]>,
  countOf: (topic: string) => number,
): Map<string, Record<string, number[]>> {
  const members = [...subscriptions.keys()].sort();
  const assignments = new Map<string, Record<string, number[]>>(members.map((member) => [member, {}]));
  for (const topic of new Set([...subscriptions.values()].flat())) {
    const takers = members.filter((member) => subscriptions.get(member)!.includes(topic));
    const count = countOf(topic);
    let next = 0;
    for (const [index, member] of takers.entries()) {
      const share = Math.floor(count / takers.length) + Number(index < count % takers.length);
      assignments.get(member)![topic] = Array.from({ length: share }, () => next++);
    }
  }
  return assignments;
}
