// Messages of one watcher that are held until it is their turn: a lane, with a queue for each partition.

import type { Change, PartitionId } from "../change.js";
import { Fifo } from "./fifo.js";
import { isSameBlock, Numbering, type Top } from "./numbering.js";

/** Place in the order: the watcher's count, and the number in it. */
export interface Place {
  readonly count: number;
  readonly number: number;
}

export const BEFORE_ALL: Place = { count: 0, number: 0 };
export const AFTER_ALL: Place = { count: Infinity, number: 0 };

/** Return a negative number if `one` comes before `other`, and a positive one if it comes after it. */
export function compare(one: Place, other: Place): number {
  return one.count === other.count ? one.number - other.number : one.count - other.count;
}

export function later(one: Place, other: Place): Place {
  return compare(one, other) >= 0 ? one : other;
}

/** A partition: its position, and the end that Kafka last reported. */
export class PartitionProgress {
  position = -1;
  heldBytes = 0;
  end = 0;
  askedRound = -1;
  clearRound = -1;

  constructor(public heardMs: number) {}

  /** Note that the partition was read up to `position`, at `nowMs` milliseconds of listening. */
  moved(position: number, nowMs: number): void {
    this.position = position;
    this.heardMs = nowMs;
    this.settle();
  }

  /**
   * Note the round if the partition was read up to the end that was asked for: messages that had arrived by then need not wait.
   */
  settle(): void {
    if (this.position >= this.end) this.clearRound = this.askedRound;
  }
}

/** One read from Kafka. */
export interface ReadRound {
  readonly number: number;
  readonly nowMs: number;
}

interface Held {
  readonly arrived: ReadRound;
  readonly weight: number;
  place: Place;
  readonly change: Change;
}

/** True if a message goes before another. Of two with the same place, that of the first partition by name does. */
function comesFirst(one: Held, other: Held): boolean {
  return (compare(one.place, other.place) || (one.change.source < other.change.source ? -1 : 1)) < 0;
}

/** Messages of one watcher that are held from one partition, oldest first. */
class PartitionQueue {
  seen = BEFORE_ALL;
  gone = BEFORE_ALL;
  readonly held = new Fifo<Held>();

  constructor(readonly source: PartitionProgress) {}

  /** Move the messages of a count to the next one, from that event on. */
  move(count: number, event: string): void {
    let moves = false;
    let last: Held | undefined;
    for (const each of this.held) {
      const { token } = each.change;
      moves = each.place.count === count && (moves || (token !== null && token >= event));
      if (moves) each.place = { count: count + 1, number: each.place.number };
      last = each;
    }
    if (moves && last) this.seen = later(this.seen, { count: count + 1, number: last.place.number });
  }
}

/** Messages of one watcher that are held. */
export class WatcherLane {
  readonly queues = new Map<PartitionId, PartitionQueue>();
  /** A place for each round. Nothing below it can still come before the messages that arrived in that round. */
  readonly floors = new Map<number, Place>();
  readonly numbering = new Numbering((count, event) => this.#move(count, event));
  last = BEFORE_ALL;
  lastEvent: string | null = null;
  toldCount = 0;
  wasLate = false;
  #first: PartitionQueue | null | undefined;

  /** The queue with the first message; null if none is held. Found anew only after something has changed. */
  get first(): PartitionQueue | null {
    if (this.#first === undefined) {
      this.#first = null;
      for (const queue of this.queues.values()) {
        const head = queue.held.head;
        if (head && (this.#first === null || comesFirst(head, this.#first.held.head!))) this.#first = queue;
      }
    }
    return this.#first;
  }

  /** The first message that is held. There must be one. */
  get head(): Held {
    return this.first!.held.head!;
  }

  /** The highest place that this partition has shown. */
  seen(partition: PartitionId): Place {
    return this.queues.get(partition)?.seen ?? BEFORE_ALL;
  }

  /** Add a message of `weight` bytes. */
  add(change: Change, source: PartitionProgress, arrived: ReadRound, weight: number): void {
    let queue = this.queues.get(change.source);
    if (!queue) this.queues.set(change.source, (queue = new PartitionQueue(source)));
    const place = { count: this.numbering.countOf(change), number: change.sequence };
    if (queue.held.isEmpty) this.#first = undefined;
    queue.held.push({ arrived, weight, place, change });
    queue.seen = later(queue.seen, place);
    source.heldBytes += weight;
  }

  /** Remove the first message. */
  pop(): Held {
    const queue = this.first!;
    const held = queue.held.shift()!;
    this.#first = undefined;
    queue.source.heldBytes -= held.weight;
    queue.gone = later(queue.gone, held.place);
    return held;
  }

  /** Forget partitions that were assigned to another member. */
  forget(partitions: Iterable<PartitionId>): void {
    for (const partition of partitions) {
      this.numbering.forget([partition]);
      this.queues.delete(partition);
    }
    this.#first = undefined;
  }

  /** Part the first message's count while its events contradict its numbers. */
  partCounts(): void {
    for (let found = this.#contradiction(); found; found = this.#contradiction()) {
      if (!this.numbering.part(this.head.place.count, found.event, found.older)) break;
    }
  }

  /**
   * Return an event of the first message's count, and a message with an earlier event although its number is not lower. The event
   * is that of the first message, or of the last one that went.
   */
  #contradiction(): { event: string; older: Top } | null {
    const { place, change } = this.head;
    const event = change.token;
    if (event === null) return null;
    if (this.lastEvent !== null && event < this.lastEvent) {
      const { count, number } = this.last;
      if (count === place.count && number <= place.number && isSameBlock(number, place.number)) {
        return { event: this.lastEvent, older: { number: change.sequence, event } };
      }
    }
    for (const { held } of this.queues.values()) {
      const other = held.head;
      if (!other || other.place.count !== place.count || !isSameBlock(other.place.number, place.number)) continue;
      const { sequence: number, token } = other.change;
      if (token !== null && token < event) return { event, older: { number, event: token } };
    }
    return null;
  }

  /**
   * Move messages of a count to the next one. If one of them has gone already, then it says nothing about the others of this
   * count.
   */
  #move(count: number, event: string): void {
    for (const queue of this.queues.values()) queue.move(count, event);
    this.#first = undefined;
    if (this.lastEvent !== null && this.lastEvent >= event) [this.last, this.lastEvent] = [BEFORE_ALL, null];
    this.floors.clear();
  }
}
