// The headers in which the watcher says of a message what the generic envelope has in its value.

import type { IHeaders } from "kafkajs";

import type { KafkaRecord } from "../change.js";
import { EVENT_ID_HEADER, OPERATION_HEADER, SEQUENCE_HEADER, WATCHER_HEADER } from "../operations.js";
import { UnknownMessage } from "./message.js";

/** Contents of a message's headers. `eventId` is empty in a message that has none. */
export interface WatcherHeaders {
  readonly watcher: string;
  readonly sequence: number;
  readonly operation: string;
  readonly eventId: string;
}

/** Return the headers of a watcher's message; null if there are none. Throws UnknownMessage if they are damaged. */
export function watcherHeaders(headers: IHeaders): WatcherHeaders | null {
  const number = textOf(headers, SEQUENCE_HEADER);
  if (number === undefined) return null;
  const watcher = textOf(headers, WATCHER_HEADER);
  const operation = textOf(headers, OPERATION_HEADER);
  if (!/^-?\d+$/.test(number) || watcher === undefined || operation === undefined) {
    throw new UnknownMessage("its headers are not those of a watcher's message");
  }
  return { watcher, sequence: Number(number), operation, eventId: textOf(headers, EVENT_ID_HEADER) ?? "" };
}

/** Headers that every dead letter has. */
export const DEAD_LETTER_HEADERS: readonly string[] = ["reason", "topic", "partition", "offset", "group"];

/** Return where and when (ms since 1970) a record's message was first read: of a dead letter, its headers tell. */
export function originOf({ headers, topic, partition, offset, timestampMs }: KafkaRecord) {
  const here = { topic, partition: String(partition), offset: String(offset), timestamp: String(timestampMs) };
  if (DEAD_LETTER_HEADERS.some((name) => headers[name] === undefined)) return here;
  const told = (name: keyof typeof here) => textOf(headers, name) || here[name];
  return { topic: told("topic"), partition: told("partition"), offset: told("offset"), timestamp: told("timestamp") };
}

/** The id of the snapshot that has copied the document: event ids of copies are `<id>.<n>`, and tokens have no point. */
export function snapshotOf(eventId: string): string | null {
  const point = eventId.lastIndexOf(".");
  return point > 0 ? eventId.slice(0, point) : null;
}

/** Text of a header. kafkajs has a list for one that is there several times; the last one counts, as in the Python library. */
function textOf(headers: IHeaders, name: string): string | undefined {
  const value = headers[name];
  return (Array.isArray(value) ? value.at(-1) : value)?.toString();
}
