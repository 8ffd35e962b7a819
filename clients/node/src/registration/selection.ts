// What a handler is registered for, and the checks that it can match any message.

import { ANY, OF_A_DATABASE, OPERATIONS, ROW_OPERATIONS } from "../operations.js";
import { expressionOf } from "./globs.js";
import { near } from "./near.js";

/** The messages that a handler takes. A string is the name of a collection, a glob, or `*`. */
export type Selection =
  | string
  | {
      /** A name, a glob, or `*`, which also matches messages without a collection. */
      collection: string;
      /** Operations; `*` stands for any. Without them: insert, update, replace and delete. */
      operations?: readonly string[];
      /** A name or a glob. Without it: any. */
      database?: string;
    };

/** The same with nothing left out. */
export interface CheckedSelection {
  readonly collection: string;
  readonly operations: readonly string[];
  readonly database: string;
}

const NAMES = ["collection", "operations", "database"];

/**
 * Fill in what is left out. Throws an Error if no message could ever match, and for a name that is neither known nor among
 * `others`.
 */
export function checkedSelection(selection: Selection, others: readonly string[]): CheckedSelection {
  const given = typeof selection === "string" ? { collection: selection } : selection;
  const known = [...NAMES, ...others];
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown) throw new Error(`a handler has no "${unknown}"; there are ${known.join(", ")}`);
  const { collection, operations = ROW_OPERATIONS, database = ANY } = given;
  checkPattern("collection", collection);
  checkPattern("database", database);
  for (const operation of operations) checkOperation(operation, collection);
  return { collection, operations: operations.length > 0 ? operations : ROW_OPERATIONS, database };
}

export function checkHandler(handler: unknown): void {
  if (typeof handler !== "function") throw new TypeError(`a handler must be a function, not ${String(handler)}`);
}

function checkPattern(what: string, pattern: unknown): void {
  if (typeof pattern !== "string") throw new TypeError(`the ${what} must be a string, not ${String(pattern)}`);
  if (!pattern || pattern.includes("\0") || !expressionOf(pattern)) throw new Error(`no ${what} can match "${pattern}"`);
}

function checkOperation(operation: unknown, collection: string): void {
  if (typeof operation !== "string") throw new TypeError(`operations are strings, such as "insert"; not ${String(operation)}`);
  if (operation !== ANY && !OPERATIONS.includes(operation)) {
    throw new Error(`"${operation}" is not an operation of a watcher; ${suggestion(operation)}`);
  }
  if (OF_A_DATABASE.includes(operation) && collection !== ANY) {
    throw new Error(`messages of "${operation}" name no collection: register it for "*", not for "${collection}"`);
  }
}

function suggestion(operation: string): string {
  const nearest = near(operation, OPERATIONS);
  return nearest ? `did you mean "${nearest}"?` : `there are ${OPERATIONS.join(", ")}; "${ANY}" takes those of later versions too`;
}
