const SHIFTED = 1024;

/** Queue whose `shift` takes constant time, unlike that of a long array. */
export class Fifo<T> implements Iterable<T> {
  #items: T[] = [];
  #start = 0;

  get isEmpty(): boolean {
    return this.#start === this.#items.length;
  }

  get head(): T | undefined {
    return this.#items[this.#start];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#start++];
    if (this.#start >= SHIFTED && this.#start * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#start);
      this.#start = 0;
    }
    return item;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let at = this.#start; at < this.#items.length; at++) yield this.#items[at]!;
  }
}
