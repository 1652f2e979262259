import { HmsError } from "@hms/topology";
import type { Isolation } from "./isolation.ts";

/** The device's parameters, by the names of their files in uacce's sysfs. */
export class Parameters {
  readonly #device: string;
  readonly #isolation: Isolation;

  constructor(device: string, isolation: Isolation) {
    this.#device = device;
    this.#isolation = isolation;
  }

  /** Throws ENOENT. */
  get(name: string): number {
    if (name === "isolate_strategy") return this.#isolation.strategy;
    if (name === "isolate") return this.#isolation.isolated ? 1 : 0;
    return this.#unknown(name);
  }

  /** Throws ENOENT, EACCES for what can only be read, EINVAL for a value that is none. */
  set(name: string, value: number): void {
    if (name === "isolate_strategy") {
      this.#isolation.strategy = value;
      return;
    }
    if (name !== "isolate") this.#unknown(name);
    throw new HmsError(
      "READ_ONLY",
      "EACCES",
      `Setting ${name} of ${this.#device} failed: it can only be read. Set isolate_strategy to take the device back into service.`,
    );
  }

  #unknown(name: string): never {
    throw new HmsError(
      "UNKNOWN_PARAMETER",
      "ENOENT",
      `Naming parameter ${name} of ${this.#device} failed: it has isolate_strategy and isolate.`,
    );
  }
}
