// The one way from a record to its message, whatever its envelope.

import { Change, type KafkaRecord, type Message } from "../change.js";
import { GAP, TOMBSTONE } from "../operations.js";
import { avroContent, isAvro, type SchemaOf } from "./avro.js";
import * as debezium from "./debezium.js";
import { originOf, snapshotOf, type WatcherHeaders, watcherHeaders } from "./headers.js";
import { isObject, isoOf, parsed, UnknownMessage } from "./message.js";
import * as mongodb from "./mongodb.js";
import type { Place, TopicPlaces } from "./places.js";

/** Read the message in a record. Throws UnknownMessage if it is not a watcher's. */
export function read(record: KafkaRecord, places: TopicPlaces, schemaOf: SchemaOf): Change {
  const message = decode(record, places, schemaOf);
  const wrong = wrongField(message);
  if (wrong) throw new UnknownMessage(`its ${wrong} is missing or has the wrong type`);
  return new Change(message, record);
}

/** Return the message in a record, with the fields that the generic envelope has. Throws UnknownMessage if no watcher wrote it. */
export function decode(record: KafkaRecord, places: TopicPlaces, schemaOf: SchemaOf): Message {
  const told = watcherHeaders(record.headers);
  const content = contentOf(record.value, schemaOf);
  if (!told) {
    if (isObject(content) && "watcher" in content) return content;
    const reason = record.value?.length ? "JSON, but without the fields of a watcher's message" : "empty, and without headers";
    throw new UnknownMessage(reason);
  }
  if (isObject(content) && content["watcher"] === told.watcher && content["sequence"] === told.sequence) return content;
  try {
    const { topic, timestamp } = originOf(record);
    return whole(change(told, contentOf(record.key, schemaOf), content, places.of(topic)), told, Number(timestamp));
  } catch (error) {
    throw new UnknownMessage(`it has a watcher's headers, but cannot be read: ${(error as Error).message}`);
  }
}

function contentOf(data: Buffer | null, schemaOf: SchemaOf): unknown {
  return isAvro(data) ? avroContent(data, schemaOf) : parsed(data);
}

/** Read the change in the envelope that it has. */
function change(told: WatcherHeaders, key: unknown, content: unknown, place: Place): Message {
  if (told.operation === TOMBSTONE) {
    return {
      ...document("delete", place, debezium.isKey(key) ? debezium.documentKey(key)["_id"] : key),
      operationType: TOMBSTONE,
    };
  }
  if (debezium.isChange(content) && debezium.isKey(key)) return debezium.read(key, content);
  if (mongodb.isEvent(content, told.eventId)) return mongodb.read(content);
  return document(told.operation, place, key, content);
}

/** Read the envelope `document`: the value is the document alone, and none at all once it is gone. */
function document(operationType: string, place: Place, key: unknown, value?: unknown): Message {
  const message = { operationType, ...place, documentKey: { _id: key } };
  return operationType === "delete" ? message : { ...message, fullDocument: value };
}

/** Add what the headers say, which is more exact. */
function whole(message: Message, told: WatcherHeaders, timeMs: number): Message {
  const { watcher, sequence, operation: operationType, eventId } = told;
  const timestamp = message["timestamp"] || isoOf(timeMs);
  const snapshot = snapshotOf(eventId);
  return { ...message, operationType, timestamp, eventId: eventId || null, watcher, sequence, ...(snapshot ? { snapshot } : {}) };
}

/** Name of the first field with a wrong type, of those that the consumer relies on; null if all are right. */
function wrongField(message: Message): string | null {
  const isText = (name: string) => typeof message[name] === "string";
  const isTextIfThere = (name: string) => message[name] == null || isText(name);
  if (!Number.isInteger(message["sequence"])) return "sequence";
  for (const name of ["operationType", "watcher", "database", "timestamp"]) if (!isText(name)) return name;
  for (const name of ["collection", "eventId", "snapshot"]) if (!isTextIfThere(name)) return name;
  if ("documentKey" in message && !isObject(message["documentKey"])) return "documentKey";
  return message["operationType"] === GAP && Number.isNaN(Date.parse(message["timestamp"])) ? "timestamp" : null;
}
