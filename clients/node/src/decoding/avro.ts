// Messages in Avro, in the wire format of Confluent's schema registry: read to what JSON would have held.
// Format: https://avro.apache.org/docs/1.12.0/specification/#binary-encoding

import { isObject, parsed, UnknownMessage } from "./message.js";

/** Returns the schema of an id, as JSON has it. It throws an Error for an id that it does not know. */
export type SchemaOf = (id: number) => unknown;

const MAGIC = 0;
/** Bytes before the record: a zero byte and the schema's id. */
const HEAD = 5;

/** A null of Avro. Where JSON leaves out what is absent, JSON's own null is text. */
const ABSENT = Symbol("absent");

const MESSAGE = "watcher.generic.Message";
/** Records from which JSON leaves out what is absent. */
const LEAN = [MESSAGE, "watcher.mongodb.ChangeEvent"];
/** Records whose only field is the whole of the JSON. */
const SINGLE = ["watcher.generic.Key", "watcher.document.Key", "watcher.document.Document", "watcher.mongodb.Key"];

const PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

export function isAvro(data: Buffer | null): data is Buffer {
  return data?.[0] === MAGIC;
}

/** Return the id of the schema; null if the data is too short for one. */
export function schemaId(data: Buffer): number | null {
  return data.length < HEAD ? null : data.readUInt32BE(1);
}

/** Return the content of a key or a value, as parsed JSON. Throws UnknownMessage. */
export function avroContent(data: Buffer, schemaOf: SchemaOf): unknown {
  try {
    return new Reader(data, HEAD).whole(schemaOf(data.readUInt32BE(1)));
  } catch (error) {
    throw new UnknownMessage(`Avro that cannot be read: ${(error as Error).message}`);
  }
}

/** Reads values one after another. All methods throw an Error if the data is not of the schema. */
class Reader {
  #named = new Map<string, { schema: any; namespace: string }>();

  constructor(
    private readonly data: Buffer,
    private at: number,
  ) {}

  /** Read the only value. */
  whole(schema: unknown): unknown {
    const value = present(this.#value(schema, ""));
    if (this.at !== this.data.length) throw new Error("there is more than one value");
    return value;
  }

  #value(schema: any, namespace: string): unknown {
    if (Array.isArray(schema)) return this.#value(schema[this.#index(schema.length)], namespace);
    if (typeof schema === "string") return this.#ofName(schema, namespace);
    const { type: kind } = schema;
    if ("name" in schema) return this.#ofNamedType(schema, fullName(schema.name, schema.namespace ?? namespace));
    if (kind === "array") return Array.from(this.#counted(), () => present(this.#value(schema.items, namespace)));
    if (kind === "map") {
      return Object.fromEntries(Array.from(this.#counted(), () => [this.#text(), present(this.#value(schema.values, namespace))]));
    }
    const value = this.#value(kind, namespace);
    return schema.logicalType === "json" ? parsed(value as string) : value;
  }

  #ofName(name: string, namespace: string): unknown {
    if (PRIMITIVES.includes(name)) return this.#primitive(name);
    const known = this.#named.get(fullName(name, namespace));
    if (!known) throw new Error(`no type is named ${name}`);
    return this.#value(known.schema, known.namespace);
  }

  #ofNamedType(schema: any, name: string): unknown {
    const namespace = name.slice(0, Math.max(0, name.lastIndexOf(".")));
    this.#named.set(name, { schema, namespace });
    if (schema.type === "record") return this.#record(schema, name, namespace);
    return schema.type === "enum" ? schema.symbols[this.#index(schema.symbols.length)] : this.#bytes(schema.size).toString("hex");
  }

  #record(schema: any, name: string, namespace: string): unknown {
    let fields: [string, unknown][] = schema.fields.map((field: any) => [field.name, this.#value(field.type, namespace)]);
    if (SINGLE.includes(name)) return present(fields[0]?.[1]);
    if (LEAN.includes(name)) fields = fields.filter(([field, value]) => value !== ABSENT || field === "timestamp");
    const record = Object.fromEntries(fields.map(([field, value]) => [field, present(value)]));
    if (name !== MESSAGE || !isObject(record["control"])) return record;
    const { control, ...rest } = record;
    return { ...rest, ...control };
  }

  /** Yield once for each item of an array or a map, which are in blocks; a negative count is followed by the block's size. */
  *#counted(): Generator<void> {
    for (let count = this.#long(); count !== 0; count = this.#long()) {
      if (count < 0) {
        count = -count;
        this.#long();
      }
      if (count > this.data.length) throw new Error("a block has more items than the record has bytes");
      for (let item = 0; item < count; item++) yield;
    }
  }

  #primitive(kind: string): unknown {
    if (kind === "null") return ABSENT;
    if (kind === "boolean") return this.#bytes(1)[0] === 1;
    if (kind === "int" || kind === "long") return this.#long();
    if (kind === "float") return this.#bytes(4).readFloatLE();
    if (kind === "double") return this.#bytes(8).readDoubleLE();
    return kind === "string" ? this.#text() : this.#bytes(this.#long()).toString("hex");
  }

  #text(): string {
    return this.#bytes(this.#long()).toString();
  }

  /** Read a zigzag number. Those beyond 2^53 lose their last digits, as in JSON.parse. */
  #long(): number {
    let number = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#bytes(1)[0]!;
      number += (byte & 0x7f) * factor;
      if (byte < 0x80) return number % 2 === 0 ? number / 2 : -(number + 1) / 2;
      if (factor > 2 ** 56) throw new Error("a number has more than 64 bits");
    }
  }

  #index(count: number): number {
    const index = this.#long();
    if (index < 0 || index >= count) throw new Error("there is no such branch");
    return index;
  }

  #bytes(count: number): Buffer {
    const data = this.data.subarray(this.at, this.at + count);
    if (count < 0 || data.length !== count) throw new Error("it ends too early");
    this.at += count;
    return data;
  }
}

function present(value: unknown): unknown {
  return value === ABSENT ? null : value;
}

/** Return the full name of a type that a schema names within a namespace. */
function fullName(name: string, namespace: string): string {
  return name.includes(".") || !namespace ? name : `${namespace}.${name}`;
}
