/** Lets a loop wait until something has happened, and counts the time that it waits: then it listens to Kafka. */
export class Signal {
  #isSet = false;
  #wake: (() => void) | null = null;
  #listenedMs = 0;
  #since: number | null = null;

  /** Milliseconds spent waiting. */
  get listenedMs(): number {
    return this.#listenedMs + (this.#since === null ? 0 : performance.now() - this.#since);
  }

  /** End the wait, or the next one. */
  wake(): void {
    this.#isSet = true;
    this.#wake?.();
  }

  /** Wait until `wake` is called, at most for so many milliseconds. */
  async wait(milliseconds: number): Promise<void> {
    this.#since = performance.now();
    let timer: NodeJS.Timeout | undefined;
    if (!this.#isSet) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, milliseconds);
      });
    }
    clearTimeout(timer);
    this.#listenedMs = this.listenedMs;
    [this.#isSet, this.#wake, this.#since] = [false, null, null];
  }
}
