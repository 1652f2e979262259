import type { Space } from "@hms/hmm";
import { HmsError } from "@hms/topology";
import type { AccelDriver } from "./driver.ts";
import type { QueueShape } from "./layout.ts";
import { AccelQueue } from "./queue.ts";

/** What a queue is to be like. */
export interface QueueOptions extends Partial<QueueShape> {
  /** The space that it reaches (`AccelContext.bind`). */
  readonly pasid: number;
}

/** Requests in flight, and arguments of a request, if nothing is said. */
export const DEPTH_DEFAULT = 256;
export const ARGUMENTS_DEFAULT = 8;

/**
 * Someone who uses the device: binds spaces, makes queues. All of it ends with the context, as an open file's does
 * with its process.
 */
export class AccelContext implements Disposable {
  readonly driver: AccelDriver;
  readonly #spaces = new Map<number, Space>();
  readonly queues: Set<AccelQueue> = new Set();
  #open = true;

  /** `AccelDriver.openContext` makes them. */
  constructor(driver: AccelDriver) {
    this.driver = driver;
  }

  /** Lets queues of this context reach a space; returns its PASID. The same space has the same. Throws ENXIO after close. */
  bind(space: Space): number {
    this.#expectOpen("Binding a space");
    for (const [pasid, bound] of this.#spaces) if (bound === space) return pasid;
    const pasid = this.driver.nextPasid();
    this.#spaces.set(pasid, space);
    return pasid;
  }

  /**
   * Makes a queue for the space of a PASID, in state init. Throws ENODEV for a PASID that this context did not bind, or
   * an isolated device; EBUSY when all instances are in use; EINVAL for sizes that are none.
   */
  queue(options: QueueOptions): AccelQueue {
    this.#expectOpen("Making a queue");
    const space = this.#spaces.get(options.pasid);
    if (space === undefined || space.closed) {
      throw new HmsError(
        "NO_SUCH_PASID",
        "ENODEV",
        `Making a queue failed: PASID ${options.pasid} is not bound in this context. Bind the space first.`,
      );
    }
    const shape = {
      depth: options.depth ?? DEPTH_DEFAULT,
      argumentsMax: options.argumentsMax ?? ARGUMENTS_DEFAULT,
    };
    const queue = this.driver.addQueue(
      (number) => new AccelQueue(this, number, options.pasid, this.driver.viewOf(space), shape),
    );
    this.queues.add(queue);
    return queue;
  }

  /** Kills its queues and gives back what they have. Closing again does nothing. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const queue of [...this.queues]) queue.close();
    this.#spaces.clear();
    this.driver.dropContext(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #expectOpen(action: string): void {
    if (this.#open) return;
    throw new HmsError(
      "CONTEXT_CLOSED",
      "ENXIO",
      `${action} failed: the context is closed. Open another one.`,
    );
  }
}
