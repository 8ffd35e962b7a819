// Globs as Python's fnmatchcase reads them: `*`, `?`, `[seq]` and `[!seq]`.

const known = new Map<string, RegExp | null>();
/** Patterns are a program's own, few in number. Only a bug would fill the memory with them. */
const REMEMBERED = 10_000;

/** True if the glob matches the whole text. */
export function matches(text: string, glob: string): boolean {
  return text === glob || glob === "*" || (expressionOf(glob)?.test(text) ?? false);
}

/** True for a pattern rather than a name. */
export function isGlob(pattern: string): boolean {
  return /[*?[]/.test(pattern);
}

/** Return the regular expression of a glob; null for one that matches nothing, such as `[z-a]`. */
export function expressionOf(glob: string): RegExp | null {
  let expression = known.get(glob);
  if (expression === undefined) {
    if (known.size >= REMEMBERED) known.clear();
    expression = translate(glob);
    known.set(glob, expression);
  }
  return expression;
}

function translate(glob: string): RegExp | null {
  const source = glob.replace(/\[(!?)(\]?[^\]]*)\]|[\s\S]/gu, (part, not: string | undefined, set: string | undefined) => {
    if (set) return `[${not ? "^" : ""}${set.replace(/[\\\]^[&~|]/g, "\\$&")}]`;
    if (part === "*") return "[^]*";
    return part === "?" ? "[^]" : part.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
  });
  try {
    return new RegExp(`^${source}$`, "u");
  } catch {
    return null;
  }
}
