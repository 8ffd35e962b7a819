/** Error with which a consumer ends. `hint` tells what to do about it. */
export class ConsumerError extends Error {
  readonly hint: string;

  constructor(message: string, { hint = "", cause }: { hint?: string; cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.hint = hint;
  }
}

/** A setting is missing or wrong. */
export class ConfigurationError extends ConsumerError {}

/** Kafka or the schema registry has refused the login, or a right is missing. */
export class NotPermitted extends ConsumerError {}

/** Kafka or the schema registry did not answer, or its answer cannot be read. */
export class ReadError extends ConsumerError {}

/** A handler has failed in all its attempts and `onError` is "stop"; its error is the cause. */
export class HandlerFailed extends ConsumerError {}

/** A record is not a watcher's message, and `onForeign` is "stop". */
export class ForeignMessage extends ConsumerError {}

/** The dead-letter topic could not be written. The next consumer reads the message again. */
export class DeadLetterFailed extends ConsumerError {}

/** Thrown by a handler if a message can never be handled, so that it is not tried again. */
export class Reject extends Error {
  override name = "Reject";
}

/** Text for the log about anything that was thrown. */
export function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
