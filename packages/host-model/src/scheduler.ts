import type { YieldPoint } from "@hms/hmm";
import type { Task } from "./face.ts";
import { Random } from "./random.ts";

/** How deep tasks may run inside of each other. */
export const INTERLEAVING_DEPTH_MAX = 4;

/** What became of a run. */
export interface RunReport {
  /** Steps that did something. */
  readonly steps: number;
  /** Steps that would have had to wait. */
  readonly blocked: number;
  /** Names of tasks that can never go on: each waits for another. Empty when all is well. */
  readonly stuck: readonly string[];
}

/**
 * Runs tasks beside each other on one thread, in an order that only the seed decides. A task runs a step at a time;
 * and wherever the core or the host says that others may run (`point`), another task's step may run inside of it, as
 * another CPU's would. What cannot go on because it waits for something further up the stack says `blocked`, and is
 * asked again later.
 *
 * @example
 * ```ts
 * import { EAGAIN } from "@hms/hmm";
 * import { ModelHost } from "@hms/host-model";
 * const host = new ModelHost({ seed: 42 });
 * const process = host.createProcess();
 * const first = process.mmap({ pages: 10 });
 * let page = first;
 * host.scheduler.add({
 *   name: "writer",
 *   step: () => {
 *     if (process.touch(page, true) === EAGAIN) return "blocked";
 *     return ++page === first + 10 ? "done" : "ran";
 *   },
 * });
 * host.scheduler.add({ name: "reclaim", step: () => (host.reclaim(1) >= 0 && page === first + 10 ? "done" : "ran") });
 * console.log(host.scheduler.run().stuck); // []
 * ```
 */
export class Scheduler {
  readonly random: Random;
  /** At one in so many points another task runs. */
  readonly interleaveOneIn: number;
  readonly #tasks: Task[] = [];
  readonly #running: Task[] = [];
  #active = false;

  constructor(seed: number, interleaveOneIn = 3) {
    this.random = new Random(seed);
    this.interleaveOneIn = interleaveOneIn;
  }

  /** Whether tasks are being run, so that points mean something. */
  get active(): boolean {
    return this.#active;
  }

  /** How many steps are on the stack now. */
  get depth(): number {
    return this.#running.length;
  }

  add(task: Task): void {
    this.#tasks.push(task);
  }

  /** Runs until every task is done, or nobody can go on, or `stepsMax` steps are done. */
  run(stepsMax: number = Number.MAX_SAFE_INTEGER): RunReport {
    let steps = 0;
    let blocked = 0;
    let blockedInARow = 0;
    this.#active = true;
    try {
      while (this.#tasks.length > 0 && steps < stepsMax) {
        const outcome = this.#step(this.#tasks[this.random.below(this.#tasks.length)]);
        if (outcome === "blocked") {
          blocked++;
          if (++blockedInARow > 64 * this.#tasks.length) break;
        } else {
          steps++;
          blockedInARow = 0;
        }
      }
    } finally {
      this.#active = false;
    }
    const stuck = steps < stepsMax ? this.#tasks.map((task) => task.name) : [];
    return { steps, blocked, stuck };
  }

  /** Others may run here. */
  point(_point: YieldPoint): void {
    if (!this.#active || this.#running.length === 0 || this.#running.length > INTERLEAVING_DEPTH_MAX) return;
    if (this.#tasks.length === this.#running.length || !this.random.oneIn(this.interleaveOneIn)) return;
    const task = this.#tasks[this.random.below(this.#tasks.length)];
    if (task !== undefined && !this.#running.includes(task)) this.#step(task);
  }

  #step(task: Task | undefined): "ran" | "blocked" | "done" {
    if (task === undefined) return "blocked";
    this.#running.push(task);
    try {
      const outcome = task.step();
      if (outcome === "done") this.#tasks.splice(this.#tasks.indexOf(task), 1);
      return outcome;
    } finally {
      this.#running.pop();
    }
  }
}
