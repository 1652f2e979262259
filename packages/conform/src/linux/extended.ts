import { HmsError } from "@hms/topology";
import type { Advice, FaultName, Protection } from "../format/case.ts";
import type {
  CaseDevice,
  CaseProcess,
  Explained,
  ExtendedProcess,
  PageSpan,
  Rival,
  RivalCall,
} from "../host.ts";
import { LinuxCaseDevice } from "./device.ts";
import type { LinuxCaseProcess } from "./host.ts";
import type { Act } from "./rival.ts";

/** What the extensions of the format need, on the real host. */
export class LinuxExtensions implements ExtendedProcess {
  readonly #process: LinuxCaseProcess;

  constructor(process: LinuxCaseProcess) {
    this.#process = process;
  }

  /**
   * The rival is a thread. What the two do to each other's mappings would end the program, so both reach memory by
   * system calls as long as the race lasts.
   */
  rival(calls: readonly RivalCall[], times: number): Rival {
    const { rival, memory } = this.#process.threads;
    const acts = calls.map(actOf);
    memory.access = "system-call";
    rival.start({ acts, times });
    const end = (): boolean => {
      const failed = rival.stop();
      memory.access = "touch";
      memory.changed();
      return failed;
    };
    return {
      abandon: () => {
        end();
      },
      stop: () => {
        if (end()) throw new HmsError("RIVAL_FAILED", null, "the second thread failed (see standard error)");
      },
    };
  }

  inject(fault: FaultName, times: number): void {
    this.#process.threads.caller.call("inject", fault, times);
  }

  reclaim(pages: number, { nonBlocking }: { readonly nonBlocking: boolean }): number {
    return this.#process.threads.caller.call("reclaim", pages, nonBlocking);
  }

  migrate(span: PageSpan, to: CaseDevice | null, options: { readonly duplicate: boolean }): number {
    const device = to instanceof LinuxCaseDevice ? to.number : null;
    return this.#process.threads.caller.call("migrate", span, device, options.duplicate);
  }

  explain(span: PageSpan): readonly Explained[] {
    return this.#process.threads.caller
      .call("explain", span)
      .map(({ pages, where, from, cause, override }) => ({
        pages,
        where: this.#place(where),
        from: from === null ? null : this.#place(from),
        cause,
        override:
          override === null
            ? null
            : {
                what: override.what,
                by: override.by === null ? null : (this.#process.open[override.by] ?? null),
              },
      }));
  }

  #place(place: string | number): string | CaseDevice {
    return typeof place === "string" ? place : (this.#process.open[place] ?? "nowhere");
  }
}

/** What a call of the rival's does: it is made once, on a process that only notes it. */
function actOf(call: RivalCall): Act {
  let noted: Act | null = null;
  const note = (act: Act): void => {
    noted = act;
  };
  const recorder: Partial<CaseProcess> = {
    unmap: (span) => note({ act: "unmap", span: plain(span) }),
    touch: (span) => note({ act: "touch", span: plain(span) }),
    protect: (span, protection: Protection) => note({ act: "protect", span: plain(span), protection }),
    advise: (span, advice: Advice) => note({ act: "advise", span: plain(span), advice }),
    store: (page, bytes) => note({ act: "store", page, bytes: bytes.slice() }),
  };
  void call(recorder as CaseProcess);
  if (noted === null) throw new Error("the rival's step is none that a second thread can do");
  return noted;
}

function plain({ page, pages }: PageSpan): PageSpan {
  return { page, pages };
}
