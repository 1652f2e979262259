import type { Nanoseconds } from "@hms/hmm";
import { HmsError } from "@hms/topology";

/** Largest threshold; 0: never. */
export const STRATEGY_MAX = 65535;
const MINUTE: Nanoseconds = 60e9;
const MINUTES = 60;

/** Takes a device out of service that fails too often: more than so many errors within an hour (uacce's isolate_strategy). */
export class Isolation {
  readonly #counts = new Uint32Array(MINUTES);
  #minute = 0;
  #strategy = 0;
  isolated = false;

  /** Errors an hour that are too many; 0: never. */
  get strategy(): number {
    return this.#strategy;
  }

  /** Throws EINVAL for what is not a whole number from 0 to 65535. Setting it takes the device back into service. */
  set strategy(errors: number) {
    if (!Number.isInteger(errors) || errors < 0 || errors > STRATEGY_MAX) {
      throw new HmsError(
        "BAD_STRATEGY",
        "EINVAL",
        `Setting isolate_strategy failed: it must be 0 (never) to ${STRATEGY_MAX} errors an hour, not ${errors}.`,
      );
    }
    this.#strategy = errors;
    this.#counts.fill(0);
    this.isolated = false;
  }

  /** Errors of the last hour. */
  errors(now: Nanoseconds): number {
    this.#turn(now);
    let sum = 0;
    for (const count of this.#counts) sum += count;
    return sum;
  }

  /** Errors happened. True when the device has to be taken out of service now. */
  add(errors: number, now: Nanoseconds): boolean {
    this.#turn(now);
    const at = this.#minute % MINUTES;
    this.#counts[at] = (this.#counts[at] ?? 0) + errors;
    if (this.isolated || this.#strategy === 0 || this.errors(now) < this.#strategy) return false;
    this.isolated = true;
    return true;
  }

  /** Minutes that are over an hour old count no more. */
  #turn(now: Nanoseconds): void {
    const minute = Math.floor(now / MINUTE);
    const passed = Math.min(MINUTES, Math.max(0, minute - this.#minute));
    for (let i = 1; i <= passed; i++) this.#counts[(minute - passed + i) % MINUTES] = 0;
    this.#minute = Math.max(minute, this.#minute);
  }
}
