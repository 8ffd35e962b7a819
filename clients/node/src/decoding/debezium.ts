// Messages of the envelope `debezium`: documents are JSON text inside the value's JSON.
// Source: https://debezium.io/documentation/reference/stable/connectors/mongodb.html#mongodb-events

import type { Message } from "../change.js";
import { isObject, isoOf, parsed, withoutSchema } from "./message.js";

const OPERATIONS: Record<string, string> = { c: "insert", r: "insert", u: "update", d: "delete" };

/** True if the value has the shape of Debezium's. */
export function isChange(value: unknown): boolean {
  const content = withoutSchema(value);
  return (
    isObject(content) &&
    Object.hasOwn(OPERATIONS, content["op"]) &&
    isObject(content["source"]) &&
    "collection" in content["source"]
  );
}

/** True if the key has the shape of Debezium's. */
export function isKey(value: unknown): boolean {
  const key = withoutSchema(value);
  return isObject(key) && Object.keys(key).join() === "id" && (key["id"] === null || typeof key["id"] === "string");
}

/** Return the `documentKey` that a key holds. */
export function documentKey(key: unknown): Record<string, any> {
  return { _id: parsed(withoutSchema(key)["id"]) };
}

/** Return the change in a message. */
export function read(key: unknown, given: unknown): Message {
  const value = withoutSchema(given);
  const { source, op } = value;
  const update = updateOf(value["updateDescription"]);
  const operationType = op === "u" && !update ? "replace" : OPERATIONS[op]!;
  return {
    operationType,
    database: source["db"],
    collection: source["collection"],
    documentKey: documentKey(key),
    timestamp: isoOf(source["wallTime"] || source["ts_ms"]),
    ...(operationType === "delete" ? {} : { fullDocument: parsed(value["after"]) }),
    ...(value["before"] == null ? {} : { fullDocumentBeforeChange: parsed(value["before"]) }),
    ...(update ? { updateDescription: update } : {}),
  };
}

/** The description of an update, with the names that MongoDB gives. */
function updateOf(told: any): Record<string, any> | null {
  if (told == null) return null;
  return {
    updatedFields: parsed(told["updatedFields"]) ?? {},
    removedFields: told["removedFields"] ?? [],
    truncatedArrays: (told["truncatedArrays"] ?? []).map((array: any) => ({ field: array["field"], newSize: array["size"] })),
  };
}
