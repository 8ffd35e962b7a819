// Messages of the envelope `mongodb`: the change event itself, as JSON in any dialect.
// Source: https://www.mongodb.com/docs/manual/reference/change-events/

import type { Message } from "../change.js";
import { isObject, isoOf } from "./message.js";

/** Fields that the generic envelope has under the same names. */
const SAME = ["documentKey", "to", "fullDocument", "fullDocumentBeforeChange", "updateDescription"];

/** Field of the `_id` of a document that was there already. */
const COPIED = "copyingData";

/** True if the value is the change event of that id, and not a document that merely looks like one. */
export function isEvent(value: unknown, eventId: string): boolean {
  if (!isObject(value) || !("operationType" in value) || !isObject(value["ns"]) || !isObject(value["_id"])) return false;
  return value["_id"]["_data"] === eventId || COPIED in value["_id"];
}

/** Return the change in a message. */
export function read(value: any): Message {
  return {
    operationType: value["operationType"],
    database: value["ns"]["db"],
    collection: value["ns"]["coll"] ?? null,
    timestamp: timeOf(value),
    ...Object.fromEntries(SAME.filter((name) => name in value).map((name) => [name, value[name]])),
  };
}

/** The time of the change; null for a document that was there already: only the record has one. */
function timeOf(value: any): string | null {
  if ("wallTime" in value) return isoOf(value["wallTime"]);
  return "clusterTime" in value ? isoOf(value["clusterTime"]["$timestamp"]["t"] * 1000) : null;
}
