// Restores the order of messages of several topics by their `sequence`. Pure: the time is an argument.
//
// The rule. Each partition holds the messages of one watcher in rising order. So a message may go when no lower number can still
// come. That is so in these cases:
//
// * its number follows the last one that went; or
// * every assigned partition has either shown a higher number of this watcher, or was read to an end that Kafka reported *after*
//   the message had arrived. That end counts uncommitted records. A watcher writes all messages of a transaction before it commits,
//   so every lower number was already in its log when this message could be read; or
// * the partitions it would wait for have been silent for too long.
//
// Time here is milliseconds spent listening to Kafka: while a handler works, no partition counts as silent.

import { type Change, type PartitionId, partitionOf } from "../change.js";
import type { Log } from "../log.js";
import { AFTER_ALL, BEFORE_ALL, compare, PartitionProgress, type Place, type ReadRound, WatcherLane } from "./held-messages.js";

/** Approximate weight of a message besides its JSON, in bytes. */
const MESSAGE_OVERHEAD = 1024;

export interface OrderSettings {
  readonly waitMs: number;
  readonly bufferBytes: number;
  readonly ordered: boolean;
  readonly log: Log;
  /** Tells whether a message has gone before. */
  isRepeated(change: Change): boolean;
  /** Called with the first message of a new count, before it goes. */
  beganAgain(change: Change): void;
}

/** Holds messages until it is their turn. With a single topic, or without `ordered`, every message is ready at once. */
export class SequenceOrder {
  readonly #settings: OrderSettings;
  #merging = false;
  #sources = new Map<PartitionId, PartitionProgress>();
  #lanes = new Map<string, WatcherLane>();
  #round: ReadRound = { number: 0, nowMs: 0 };

  constructor(settings: OrderSettings) {
    this.#settings = settings;
  }

  /** Take these partitions instead of those before, and forget the messages that are held. */
  assign(partitions: readonly PartitionId[]): void {
    for (const lane of this.#lanes.values()) {
      lane.forget([...lane.queues.keys(), ...this.#sources.keys()]);
      [lane.last, lane.lastEvent] = [BEFORE_ALL, null]; // they may hold much earlier messages
    }
    this.#sources = new Map(partitions.map((each) => [each, new PartitionProgress(this.#round.nowMs)]));
    this.#merging = this.#settings.ordered && new Set(partitions.map((each) => partitionOf(each).topic)).size > 1;
    this.#forgetFloors();
  }

  /** Begin a round: the messages that follow arrive at `nowMs` milliseconds of listening. */
  beginRound(nowMs: number): void {
    this.#round = { number: this.#round.number + 1, nowMs };
    this.#forgetFloors();
  }

  get round(): number {
    return this.#round.number;
  }

  /** Add a message of an assigned partition. `size` is that of its JSON, in bytes. */
  add(change: Change, size: number): void {
    let lane = this.#lanes.get(change.watcher);
    if (!lane) this.#lanes.set(change.watcher, (lane = new WatcherLane()));
    const source = this.#sources.get(change.source)!;
    lane.add(change, source, this.#round, size + MESSAGE_OVERHEAD);
    source.moved(change.offset + 1, this.#round.nowMs);
  }

  /** Note that a partition was read up to `position`, past a record that is not a message, or to its end. */
  passed(partition: PartitionId, position: number): void {
    this.#sources.get(partition)?.moved(position, this.#round.nowMs);
  }

  /** Yield the messages whose turn it is. Messages may be added, and partitions assigned, between two of them. */
  *ready(): Generator<Change> {
    const lanes = [...this.#lanes.values()].filter((lane) => lane.first);
    lanes.sort((one, other) => one.head.arrived.number - other.head.arrived.number);
    for (const lane of lanes) {
      while (lane.first && this.#mayGo(lane)) yield this.#release(lane);
    }
  }

  /** The partitions whose ends Kafka is to be asked for: a message waits for them that arrived after we last asked. */
  unclear(): Set<PartitionId> {
    const unclear = new Set<PartitionId>();
    for (const lane of this.#lanes.values()) {
      if (!lane.first || !this.#merging) continue;
      const { arrived, place } = lane.head;
      for (const [partition, source] of this.#waitedFor(arrived)) {
        if (compare(lane.seen(partition), place) < 0 && source.askedRound < arrived.number) unclear.add(partition);
      }
    }
    return unclear;
  }

  /** Take Kafka's answer to the request of a round: the ends of partitions, uncommitted records included. */
  answer(round: number, ends: ReadonlyMap<PartitionId, number>): void {
    for (const [partition, end] of ends) {
      const source = this.#sources.get(partition);
      if (!source) continue;
      [source.end, source.askedRound] = [end, round];
      source.settle();
    }
    this.#forgetFloors();
  }

  /** The partitions that are not to be read for now. Those held back `already` stay so until half of their share has gone. */
  overfull(already: ReadonlySet<PartitionId>): Set<PartitionId> {
    const share = this.#settings.bufferBytes / Math.max(1, this.#sources.size);
    const full = [...this.#sources].filter(([id, { heldBytes }]) => heldBytes >= (already.has(id) ? share / 2 : share));
    return new Set(full.map(([id]) => id));
  }

  /** True if any message waits. */
  get isHolding(): boolean {
    return [...this.#lanes.values()].some((lane) => lane.first);
  }

  #mayGo(lane: WatcherLane): boolean {
    if (!this.#merging) return true;
    lane.partCounts();
    const { place, arrived } = lane.head;
    if (compare(place, { count: lane.last.count, number: lane.last.number + 1 }) <= 0) return true;
    let floor = lane.floors.get(arrived.number);
    if (floor === undefined) {
      floor = AFTER_ALL;
      for (const [partition] of this.#waitedFor(arrived)) {
        const seen: Place = lane.seen(partition);
        if (compare(seen, floor) < 0) floor = seen;
      }
      lane.floors.set(arrived.number, floor);
    }
    return compare(place, floor) <= 0;
  }

  /** Yield the partitions that may still hold messages from before that round, and are not silent. */
  *#waitedFor(arrived: ReadRound): Generator<[PartitionId, PartitionProgress]> {
    for (const [partition, source] of this.#sources) {
      const silentSince = Math.max(arrived.nowMs, source.heardMs);
      if (source.clearRound < arrived.number && this.#round.nowMs - silentSince < this.#settings.waitMs) yield [partition, source];
    }
  }

  #release(lane: WatcherLane): Change {
    const isAgain = compare(lane.head.place, lane.first!.gone) <= 0;
    const { place, change } = lane.pop();
    if (place.count > lane.toldCount) {
      lane.toldCount = place.count;
      this.#settings.beganAgain(change);
    }
    if (compare(place, lane.last) >= 0) {
      [lane.last, lane.lastEvent] = [place, change.token];
    } else if (this.#merging && !(isAgain || lane.wasLate || this.#settings.isRepeated(change))) {
      lane.wasLate = true;
      const numbers = `message ${change.sequence} came after ${lane.last.number}`;
      this.#settings.log.warn(`${change.watcher}: ${numbers}: its partition was silent for longer than orderWaitMs`);
    }
    return change;
  }

  #forgetFloors(): void {
    for (const lane of this.#lanes.values()) lane.floors.clear();
  }
}
