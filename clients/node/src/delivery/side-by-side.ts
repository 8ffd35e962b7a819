import type { Change } from "../change.js";

/** Call a function with changes: those of one document one after the other, those of different ones side by side. */
export async function sideBySide(changes: Change[], most: number, call: (change: Change) => Promise<void>): Promise<void> {
  const byDocument = new Map<string, Change[]>();
  for (const change of changes) {
    const document = JSON.stringify([change.database, change.collection, change.key]);
    const others = byDocument.get(document);
    if (others) others.push(change);
    else byDocument.set(document, [change]);
  }
  const waiting = byDocument.values();
  const work = async () => {
    for (const ofOne of waiting) for (const change of ofOne) await call(change);
  };
  const workers = await Promise.allSettled(Array.from({ length: Math.min(most, byDocument.size) }, work));
  for (const each of workers) if (each.status === "rejected") throw each.reason;
}
