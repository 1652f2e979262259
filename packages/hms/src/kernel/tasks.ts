/** Work that takes long, a piece between faults: nobody waits for more than one piece. */
export class Tasks {
  readonly #tasks = new Set<Iterator<void>>();

  get size(): number {
    return this.#tasks.size;
  }

  /** Adds work; each `yield` lets faults and messages be served. It must not throw. */
  add(task: Iterator<void>): void {
    this.#tasks.add(task);
  }

  /** Does a piece of each. Returns how many there were. */
  step(): number {
    if (this.#tasks.size === 0) return 0;
    let done = 0;
    for (const task of [...this.#tasks]) {
      done++;
      if (task.next().done === true) this.#tasks.delete(task);
    }
    return done;
  }
}
