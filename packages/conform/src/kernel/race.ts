import { ownCalls, type SystemCalls, ThreadCalls } from "@hms/host-linux/dmirror";
import type { CaseProcess, Rival, RivalCall } from "../host.ts";

/** A round begins after up to so many turns of nothing: a race is not always won by the same one. */
const DELAY_TURNS = 20_000;

/**
 * The calls of a process that has rivals: while there is a race, a call is made by a second thread, and this one makes
 * the rival's calls meanwhile. The kernel sees two threads that are in it at the same time.
 */
export class RacingCalls implements SystemCalls {
  #race: KernelRival | null = null;
  #thread: ThreadCalls | null = null;

  call(number: number, ...args: readonly number[]): number {
    const race = this.#race;
    if (race === null || race.done) return ownCalls.call(number, ...args);
    this.#thread ??= new ThreadCalls();
    const thread = this.#thread;
    thread.begin(number, ...args);
    race.during(() => thread.answered);
    return thread.answer();
  }

  /** From now on `process` does the calls, `times` times, while others go on. */
  begin(process: CaseProcess, calls: readonly RivalCall[], times: number): Rival {
    const race = new KernelRival(process, calls, times);
    this.#race = race;
    const end = (): void => {
      if (this.#race === race) this.#race = null;
    };
    return {
      stop: () => {
        end();
        race.once();
      },
      abandon: end,
    };
  }
}

class KernelRival {
  readonly #process: CaseProcess;
  readonly #calls: readonly RivalCall[];
  readonly #times: number;
  #rounds = 0;
  #failure: unknown = null;

  constructor(process: CaseProcess, calls: readonly RivalCall[], times: number) {
    this.#process = process;
    this.#calls = calls;
    this.#times = times;
  }

  get done(): boolean {
    return this.#rounds >= this.#times || this.#failure !== null;
  }

  /** Rounds, until there were enough or the other thread has done its part. */
  during(ended: () => boolean): void {
    for (let turns = Math.random() * DELAY_TURNS; turns > 0 && !ended(); turns--);
    while (!this.done && !ended()) this.#round();
  }

  /** Makes sure that it was done once, and throws what failed. */
  once(): void {
    if (this.#rounds === 0 && this.#failure === null) this.#round();
    if (this.#failure !== null) throw this.#failure;
  }

  #round(): void {
    this.#rounds++;
    try {
      // This host's calls are done when they return.
      for (const call of this.#calls) void call(this.#process);
    } catch (error) {
      this.#failure = error;
    }
  }
}
