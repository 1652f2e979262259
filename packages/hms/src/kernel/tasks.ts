/**
 * Work that takes long, a piece between faults, so that nobody waits for more than one piece; or that waits. It yields
 * whether it did something, and must not throw.
 */
export type Task = Iterator<boolean, void>;

/** What is being worked on, or waited for. */
export class Tasks {
  readonly #tasks = new Set<Task>();

  get size(): number {
    return this.#tasks.size;
  }

  add(task: Task): void {
    this.#tasks.add(task);
  }

  /** Does a piece of each. Returns how many did something. */
  step(): number {
    if (this.#tasks.size === 0) return 0;
    let done = 0;
    for (const task of [...this.#tasks]) {
      const { done: over, value } = task.next();
      if (over === true) this.#tasks.delete(task);
      if (over === true || value) done++;
    }
    return done;
  }
}
