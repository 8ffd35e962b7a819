// Parts that all envelopes have in common: JSON, times, and the fields of a message.

/** The record is in none of the envelopes; the text gives the reason. */
export class UnknownMessage extends Error {}

export function isObject(value: unknown): value is Record<string, any> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Parse JSON; null for no text. Throws UnknownMessage if it is none. */
export function parsed(text: Buffer | string | null | undefined): any {
  if (!text?.length) return null;
  try {
    return JSON.parse(text.toString());
  } catch (error) {
    throw new UnknownMessage(`not JSON: ${(error as Error).message}`);
  }
}

/** Return the payload of a value to which Kafka Connect's JsonConverter has added its schema, and any other value as it is. */
export function withoutSchema(value: any): any {
  return isObject(value) && Object.keys(value).sort().join() === "payload,schema" ? value["payload"] : value;
}

/** Write a time of any dialect as `2024-01-01T12:00:00.000Z`: milliseconds since 1970, an ISO text, or a `$date` of either. */
export function isoOf(time: any): string {
  if (isObject(time)) {
    const date = time["$date"];
    return isoOf(isObject(date) ? Number(date["$numberLong"]) : date);
  }
  return new Date(time).toISOString();
}
