// Chooses the handler for a message: exactly one, the most specific.

import type { Change } from "../change.js";
import { ANY } from "../operations.js";
import { isGlob, matches } from "./globs.js";
import { near } from "./near.js";

/** Limit for remembered names. Names are data: somebody who creates collections without end must not fill our memory. */
export const REMEMBERED = 10_000;

/** A handler and the messages that it takes. */
export interface Route {
  readonly handler: (changes: Change[]) => unknown;
  readonly collection: string;
  readonly operations: readonly string[];
  readonly database: string;
  /** Most changes that it takes at once; 0 for single changes. */
  readonly batchSize: number;
  readonly waitMs: number;
  /** Number of documents whose changes are handled side by side; 0 for a handler that takes a batch as it is. */
  readonly concurrency: number;
  /** True for a handler of control messages alone. */
  readonly isOfControl: boolean;
}

/** The handlers of one consumer. */
export class Routes {
  #routes: Route[] = [];
  #other: Route | null = null;
  #found = new Map<string, Route | null>();

  /** Add a handler. Throws an Error if another one takes exactly the same. */
  add(route: Route): void {
    for (const { collection, database, operations } of this.#routes) {
      const both = operations.filter((each) => route.operations.includes(each));
      if (collection === route.collection && database === route.database && both.length > 0) {
        throw new Error(`${collection} already has a handler for ${both.sort().join(", ")}`);
      }
    }
    this.#routes.push(route);
    this.#found.clear();
  }

  /** Set the handler for messages that no other takes. Throws an Error if there is one already. */
  setOther(route: Route): void {
    if (this.#other) throw new Error("there already is a handler for what no other takes");
    this.#other = route;
    this.#found.clear();
  }

  /** Return the route for a message; null if no handler takes it. */
  find(change: Change): Route | null {
    const what = `${change.database}\0${change.collection ?? "\0"}\0${change.operation}`;
    let route = this.#found.get(what);
    if (route === undefined) {
      if (this.#found.size >= REMEMBERED) this.#found.clear();
      route = this.#choose(change);
      this.#found.set(what, route);
    }
    return route;
  }

  /** Return the name of a collection with a handler that may have been meant. */
  similar(change: Change): string | null {
    const names = this.#routes.map(({ collection }) => collection).filter((each) => !isGlob(each));
    return near(change.collection ?? "", names);
  }

  /** Choose the most specific route; among equals, the one that was registered first. */
  #choose(change: Change): Route | null {
    let best = this.#other;
    for (const route of this.#routes) {
      if (takes(route, change) && (best === this.#other || isMoreSpecific(route, best!))) best = route;
    }
    return best;
  }
}

/** True if the handler takes this message. Only `*` matches a message without a collection. */
function takes(route: Route, change: Change): boolean {
  return (
    (route.operations.includes(ANY) || route.operations.includes(change.operation)) &&
    (route.collection === ANY || (change.collection !== null && matches(change.collection, route.collection))) &&
    matches(change.database, route.database)
  );
}

/** True if `one` comes before `other`: one of control messages first, then a name before a glob, and a glob before `*`. */
function isMoreSpecific(one: Route, other: Route): boolean {
  const theirs = vagueness(other);
  for (const [index, ours] of vagueness(one).entries()) {
    if (ours !== theirs[index]) return ours < theirs[index]!;
  }
  return false;
}

/** Keys by which routes sort. The collection counts before the database, and the operation last. */
function vagueness(route: Route): number[] {
  const of = (pattern: string) => (pattern === ANY ? 2 : Number(isGlob(pattern)));
  return [Number(!route.isOfControl), of(route.collection), of(route.database), Number(route.operations.includes(ANY))];
}
