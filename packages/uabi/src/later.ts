/**
 * An answer that a handler will give later: it returns this, and answers or fails it once. For work that must not hold
 * up the requests of others.
 */
export class Later<Out = Readonly<Record<string, unknown>>> {
  readonly #settle: (outputs: Out | null, error: unknown) => void;
  #settled = false;

  constructor(settle: (outputs: Out | null, error: unknown) => void) {
    this.#settle = settle;
  }

  /** Whether it was answered or failed. */
  get settled(): boolean {
    return this.#settled;
  }

  /** Answers. Does nothing the second time, nor when the client is gone. */
  answer(outputs: Out): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#settle(outputs, null);
  }

  /** Fails, as throwing from the handler would. Does nothing the second time, nor when the client is gone. */
  fail(error: unknown): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#settle(null, error);
  }
}
