// Schemas by their ids, from a schema registry.

import { setTimeout as wait } from "node:timers/promises";

import { ConfigurationError, NotPermitted, ReadError, textOf } from "../errors.js";
import type { Log } from "../log.js";

/** A schema registry. `headers` go with each request: for a login, `{ authorization: "Basic …" }`. */
export interface RegistryOptions {
  readonly url: string;
  readonly headers?: Record<string, string>;
}

/** Longest time that the registry may be away, and the time between two attempts, in milliseconds. */
const PATIENCE_MS = 60_000;
const RETRY_MS = 1000;
/** Time for which an id that the registry does not know is not asked for again, in milliseconds. */
const UNKNOWN_MS = 10_000;
const TIMEOUT_MS = 10_000;

/** Schemas as JSON has them, each asked for once. */
export class Schemas {
  #known = new Map<number, unknown>();
  #unknown = new Map<number, number>();

  constructor(
    private readonly registry: RegistryOptions | null,
    private readonly log: Log,
    private readonly stopping: AbortSignal,
  ) {}

  /** Return a schema that `load` has asked for. Throws an Error if there is none. */
  readonly of = (id: number): unknown => {
    if (!this.registry) throw new Error("no schema registry is named");
    if (!this.#known.has(id)) throw new Error(`the schema registry has no schema ${id}`);
    return this.#known.get(id);
  };

  /** Ask for schemas. `patient` is called while the registry is away. Throws ReadError, NotPermitted or ConfigurationError. */
  async load(ids: Iterable<number>, patient: () => Promise<void>): Promise<void> {
    if (!this.registry) return;
    for (const id of ids) {
      if (this.#known.has(id) || performance.now() < (this.#unknown.get(id) ?? 0)) continue;
      const schema = await this.#ask(this.registry, id, patient);
      if (schema === undefined) this.#unknown.set(id, performance.now() + UNKNOWN_MS);
      else this.#known.set(id, schema);
    }
  }

  async #ask({ url, headers = {} }: RegistryOptions, id: number, patient: () => Promise<void>): Promise<unknown> {
    const until = performance.now() + PATIENCE_MS;
    for (let attempt = 1; ; attempt++) {
      const answer = await answerOf(`${url.replace(/\/$/, "")}/schemas/ids/${id}`, headers);
      if (typeof answer !== "string") return schemaIn(answer, url);
      if (performance.now() >= until) throw new ReadError(`The schema registry ${url} does not answer: ${answer}`);
      this.log[attempt === 1 ? "warn" : "debug"](`the schema registry ${url} does not answer: ${answer}; trying again`);
      await patient();
      await wait(RETRY_MS, undefined, { signal: this.stopping });
    }
  }
}

/** Return the registry's answer, or the reason why there is none at present. */
async function answerOf(url: string, headers: Record<string, string>): Promise<{ status: number; text: string } | string> {
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    return response.status >= 500 || response.status === 429
      ? `HTTP ${response.status}`
      : { status: response.status, text: await response.text() };
  } catch (error) {
    return textOf((error as Error).cause ?? error);
  }
}

/** Return the schema in an answer; undefined if the registry does not know the id, or the schema is none of Avro. */
function schemaIn({ status, text }: { status: number; text: string }, url: string): unknown {
  if (status === 401 || status === 403) throw new NotPermitted(`The schema registry ${url} refuses: HTTP ${status}`);
  try {
    const answer = JSON.parse(text);
    return status === 200 ? JSON.parse(answer.schema) : undefined;
  } catch {
    if (status !== 200) throw new ConfigurationError(`${url} is no schema registry: HTTP ${status}`);
    return undefined;
  }
}
