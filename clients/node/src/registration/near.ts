const SIMILAR = 0.7;

/** Return the known name that is most similar, whatever its case; null if none is. */
export function near(name: string, known: Iterable<string>): string | null {
  let best: string | null = null;
  let highest = SIMILAR;
  for (const each of known) {
    const similarity = similarityOf(name.toLowerCase(), each.toLowerCase());
    if (similarity >= highest) [best, highest] = [each, similarity];
  }
  return best;
}

/** Share of the characters of both texts that are in their longest common subsequence. */
function similarityOf(one: string, other: string): number {
  let lengths = new Array<number>(other.length + 1).fill(0);
  for (const character of one) {
    const longer = [0];
    for (let at = 0; at < other.length; at++) {
      const without = Math.max(longer[at]!, lengths[at + 1]!);
      longer.push(character === other[at] ? lengths[at]! + 1 : without);
    }
    lengths = longer;
  }
  return (2 * lengths[other.length]!) / Math.max(1, one.length + other.length);
}
