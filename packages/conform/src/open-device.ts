import type { TestDevice, TestHandle } from "@hms/driver-test";
import type { Device, InvalidationReason, Proposal, Space, Verdict } from "@hms/hmm";
import type { EventName, FaultName } from "./format/case.ts";
import type { PageSpan } from "./host.ts";

/** The kernel's names of what mirrors are told. */
const EVENT_NAMES: Readonly<Record<InvalidationReason, EventName>> = {
  unmap: "UNMAP",
  clear: "CLEAR",
  "protection-range": "PROTECTION_VMA",
  "protection-page": "PROTECTION_PAGE",
  migrate: "MIGRATE",
  exclusive: "EXCLUSIVE",
  release: "RELEASE",
};

/** Notifications that are kept for a step to look at; older ones are gone. */
const NOTIFICATIONS_MAX = 10_000;

/** One notification, as the device got it. */
export interface Noted {
  readonly event: EventName;
  readonly span: PageSpan;
  readonly owner: Device | null;
}

/** A test device that a process has opened: what the extensions of the format need of it, whatever the host. */
export class OpenDevice {
  readonly device: TestDevice;
  readonly handle: TestHandle;
  #noted: Noted[] = [];

  constructor(device: TestDevice, space: Space) {
    this.device = device;
    this.handle = device.open(space);
    this.handle.onInvalidate = ({ reason, first, end, owner }) => {
      if (this.#noted.length >= NOTIFICATIONS_MAX) this.#noted.shift();
      this.#noted.push({ event: EVENT_NAMES[reason], span: { page: first, pages: end - first }, owner });
    };
  }

  /** What it was told since it was opened, or since the last call. */
  takeNoted(): readonly Noted[] {
    const noted = this.#noted;
    this.#noted = [];
    return noted;
  }

  inject(fault: FaultName, times: number): void {
    const { inject } = this.device;
    switch (fault) {
      case "none":
        this.handle.refuseNonBlocking = false;
        inject.decide = null;
        inject.copiesLeft = -1;
        return;
      case "refuse-invalidation":
        this.handle.refuseNonBlocking = true;
        return;
      case "refuse-moves-in":
        inject.decide = verdictFor("in", { refuse: "its memory is needed for something else" });
        return;
      case "refuse-moves-out":
        inject.decide = verdictFor("out", { refuse: "it scans this buffer out" });
        return;
      case "redirect-moves-in":
        inject.decide = verdictFor("in", { redirect: null, reason: "its memory is nearly full" });
        return;
      case "copy-fails":
        inject.copiesLeft = times;
        return;
      case "device-lost":
        this.device.disappear();
        return;
      case "no-memory":
        throw new Error("this is a fault of the host");
    }
  }
}

function verdictFor(direction: "in" | "out", verdict: Verdict): (proposal: Proposal) => Verdict {
  return (proposal) => (proposal.direction === direction ? verdict : null);
}
