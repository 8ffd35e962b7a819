/** A database and a collection. */
export interface Place {
  readonly database: string;
  readonly collection: string;
}

const GROUPS: Record<string, string> = {
  "{database}": "(?<database>[^.]+)",
  "{collection}": "(?<collection>.+)",
  "{operation}": "[A-Za-z]+",
};

/** Reads topics' names by the template that they were made from. Names of databases have no point, so it is never ambiguous. */
export class TopicPlaces {
  readonly #pattern: RegExp;

  /** Throws an Error for other placeholders. */
  constructor(template: string) {
    const groups = { ...GROUPS };
    let pattern = "";
    for (const part of template.split(/(\{[^{}]*\})/)) {
      if (!(part in groups) && /[{}]/.test(part)) {
        throw new Error(`"${template}" may hold ${Object.keys(GROUPS).join(", ")}, and no other braces`);
      }
      pattern += groups[part] ?? part.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
      const name = /^\(\?<(\w+)>/.exec(groups[part] ?? "")?.[1];
      if (name) groups[part] = `\\k<${name}>`; // a second one must be the same
    }
    this.#pattern = new RegExp(`^${pattern}$`);
  }

  /** Return the place of a topic's documents; its own name stands for a collection that nothing tells. */
  of(topic: string): Place {
    const found = this.#pattern.exec(topic)?.groups ?? {};
    return { database: unescaped(found["database"] ?? ""), collection: unescaped(found["collection"] ?? "") || topic };
  }
}

/** Return the name that a watcher has written into a topic with `_x<code point in hexadecimal>_` for some characters. */
function unescaped(name: string): string {
  return name.replace(/_x([0-9a-f]+)_/g, (_, code: string) => String.fromCodePoint(parseInt(code, 16)));
}
