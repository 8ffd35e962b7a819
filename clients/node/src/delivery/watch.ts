import type { Change } from "../change.js";
import type { Log } from "../log.js";
import type { ConsumerOptions } from "../options.js";

const HUNG_EXIT_CODE = 70;

/** Watch over one call of a handler, from here to `end`. A handler that blocks the event loop blocks this too. */
export class Watch {
  #timer: NodeJS.Timeout | undefined;

  constructor({ hangAfterMs, onHang }: ConsumerOptions, log: Log, change: Change) {
    if (hangAfterMs === null) return;
    this.#timer = setTimeout(() => {
      log.error(`the handler of ${change} has not returned for ${hangAfterMs / 1000} s`);
      if (onHang === "exit") process.exit(HUNG_EXIT_CODE);
    }, hangAfterMs);
    this.#timer.unref();
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
