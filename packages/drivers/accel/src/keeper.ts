import type { Nanoseconds } from "@hms/hmm";
import { DeviceThread, type ThreadOptions } from "./device-thread.ts";
import { E_RUNNING } from "./layout.ts";
import type { FromDevice, ToDevice } from "./messages.ts";

/** How often is looked whether the thread lives, while something waits for that, and otherwise. Nanoseconds. */
const LOOK_BUSY: Nanoseconds = 1e6;
const LOOK_IDLE: Nanoseconds = 20e6;
/** How long a thread may take to start, and not look at its messages while it runs no request. Nanoseconds. */
const START_MAX: Nanoseconds = 30e9;
const SILENT_MAX: Nanoseconds = 10e9;
/** Threads in a row that end by themselves before they have run for so long, before the device is given up. */
const FAILED_STARTS_MAX = 5;
const LIVED: Nanoseconds = 1e9;

/** Keeps the device's thread: starts it, sees when it ends or hangs, and starts the next. */
export class ThreadKeeper {
  readonly #options: ThreadOptions;
  readonly #words: Int32Array;
  #thread: DeviceThread;
  #startedAt: Nanoseconds;
  #heardAt: Nanoseconds;
  #lookedAt: Nanoseconds = 0;
  #failedStarts = 0;
  #endedFor: string | null = null;
  /** Times that it was started after the first. */
  restarts = 0;
  /** It was ended because it did not look at its messages any more. */
  silent = false;
  /** It does not start: there is no device any more. */
  broken = false;

  constructor(options: ThreadOptions, now: Nanoseconds) {
    this.#options = options;
    this.#words = new Int32Array(options.engine);
    this.#startedAt = now;
    this.#heardAt = now;
    this.#thread = new DeviceThread(options);
  }

  get state(): "starting" | "running" | "ending" {
    if (this.#thread.ending) return "ending";
    return this.#thread.running ? "running" : "starting";
  }

  post(message: ToDevice): void {
    if (!this.broken) this.#thread.post(message);
  }

  receive(): FromDevice | null {
    return this.#thread.receive();
  }

  /** Ends it, whatever it is doing; `why` says in words what was wrong, if anything was. It may go on for a moment. */
  end(why: string | null): void {
    if (!this.#thread.ending) this.#endedFor = why;
    this.#thread.end();
  }

  /** What was wrong when it was ended; null: somebody wanted it so. */
  get endedFor(): string | null {
    return this.#endedFor;
  }

  get ending(): boolean {
    return this.#thread.ending;
  }

  /** Whether it has certainly ended, by a look right now. */
  get gone(): boolean {
    return this.broken || this.#thread.gone();
  }

  /** Whether it was found to have ended, at a look that is not due each time; `soon`: someone waits for that. */
  look(now: Nanoseconds, soon: boolean): boolean {
    const thread = this.#thread;
    if (this.broken || now - this.#lookedAt < (thread.ending || soon ? LOOK_BUSY : LOOK_IDLE)) return false;
    this.#lookedAt = now;
    if (thread.gone()) return true;
    if (thread.running) {
      if (now - this.#startedAt > LIVED) this.#failedStarts = 0;
      const busy = Atomics.load(this.#words, E_RUNNING) !== 0;
      if (busy || thread.unread === 0) this.#heardAt = now;
      if (now - this.#heardAt > SILENT_MAX) {
        this.silent = true;
        this.end(`it did not look at its messages for ${SILENT_MAX / 1e9} s`);
      }
    } else if (now - this.#startedAt > START_MAX) this.end(`it did not start within ${START_MAX / 1e9} s`);
    return false;
  }

  /** After it is gone: no more of it. */
  bury(now: Nanoseconds): void {
    this.#thread.close();
    if (!this.#thread.ending && now - this.#startedAt <= LIVED) this.#failedStarts++;
  }

  /** Starts the next one, unless the last ones ended as soon as they had begun: then the device is broken. */
  restart(now: Nanoseconds): void {
    if (this.#failedStarts >= FAILED_STARTS_MAX) {
      this.broken = true;
      return;
    }
    this.restarts++;
    this.silent = false;
    this.#startedAt = now;
    this.#heardAt = now;
    this.#thread = new DeviceThread(this.#options);
  }
}
