/** Receiver of a consumer's log lines; `console` is one. */
export interface Log {
  debug(line: string): void;
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

/** Warnings and errors on stderr, and nothing else. */
export const STDERR: Log = {
  debug: () => {},
  info: () => {},
  warn: (line) => console.warn(line),
  error: (line) => console.error(line),
};
