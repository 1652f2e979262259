import { HmsError } from "@hms/topology";
import type { FaultName } from "../format/case.ts";
import type { CaseDevice, Explained, ExtendedProcess, PageSpan, Rival, RivalCall } from "../host.ts";
import { ModelCaseDevice } from "./device.ts";
import type { ModelCaseProcess } from "./host.ts";

/** A rival's single appearance is at one of the first so many points. */
const POINTS = 24;
/** How often a rival that would have to wait is asked again after the race. */
const LAST_TRIES = 3;

/** The host's names of places, by those of the format. */
const PLACES: Readonly<Record<string, string>> = { host: "system" };

/** What the extensions of the format need, on the simulated host. */
export class ModelExtensions implements ExtendedProcess {
  readonly #process: ModelCaseProcess;

  constructor(process: ModelCaseProcess) {
    this.#process = process;
  }

  /** The rival runs inside of this thread's calls, wherever the host lets others run, as another CPU would. */
  rival(calls: readonly RivalCall[], times: number): Rival {
    const { host } = this.#process.machine;
    let skip = times > 1 ? 0 : host.scheduler.random.below(POINTS);
    let left = times;
    let at = 0;
    let running = false;
    let failure: unknown = null;
    const appear = (): void => {
      if (running || left === 0 || failure !== null || skip-- > 0) return;
      running = true;
      try {
        for (; at < calls.length; at++) void calls[at]?.(this.#process);
        at = 0;
        left--;
      } catch (error) {
        if (!HmsError.is(error) || error.errno !== "EAGAIN") failure = error;
      } finally {
        running = false;
      }
    };
    host.onYield = appear;
    return {
      abandon: () => {
        host.onYield = null;
      },
      stop: () => {
        host.onYield = null;
        skip = 0;
        // The race is about what happens at least once; many times over is what the steps leave room for.
        if (left === times) for (let tries = 0; tries < LAST_TRIES && left === times; tries++) appear();
        if (failure !== null) throw failure;
      },
    };
  }

  inject(fault: FaultName, times: number): void {
    if (fault === "no-memory") this.#process.machine.host.failNextAllocations(times);
  }

  reclaim(pages: number, { nonBlocking }: { readonly nonBlocking: boolean }): number {
    return this.#process.machine.host.reclaim(pages, { blocking: !nonBlocking });
  }

  migrate(
    { page, pages }: PageSpan,
    to: CaseDevice | null,
    { duplicate }: { readonly duplicate: boolean },
  ): number {
    const { core } = this.#process.machine.host;
    const memory = to instanceof ModelCaseDevice ? to.device.memory : null;
    const { space } = this.#process.process;
    return core.migrate({ space, first: page, count: pages, to: memory, duplicate }).moved;
  }

  explain({ page, pages }: PageSpan): readonly Explained[] {
    const { core } = this.#process.machine.host;
    return core.explain(this.#process.process.space, page, pages).map((run) => ({
      pages: run.count,
      where: this.#place(run.where),
      from: run.from === null ? null : this.#place(run.from),
      cause: run.cause,
      override:
        run.override === null
          ? null
          : {
              what: run.override.what,
              by: this.#deviceOf((open) => open.device.device.name === run.override?.who),
            },
    }));
  }

  #place(name: string): string | CaseDevice {
    return this.#deviceOf((open) => open.device.memory.name === name) ?? PLACES[name] ?? name;
  }

  #deviceOf(is: (open: ModelCaseDevice) => boolean): CaseDevice | null {
    return this.#process.open.find(is) ?? null;
  }
}
