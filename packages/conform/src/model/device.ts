import type { TestDevice } from "@hms/driver-test";
import { errnoName } from "@hms/hmm";
import type { Command, FaultName } from "../format/case.ts";
import type { CaseDevice, CommandResult, Notified, PageSpan } from "../host.ts";
import { OpenDevice } from "../open-device.ts";
import type { ModelCaseProcess } from "./host.ts";

/** A test device that a process of the simulated host has opened. */
export class ModelCaseDevice implements CaseDevice {
  readonly device: TestDevice;
  readonly #open: OpenDevice;
  readonly #process: ModelCaseProcess;

  constructor(device: TestDevice, process: ModelCaseProcess) {
    this.device = device;
    this.#open = new OpenDevice(device, process.process.space);
    this.#process = process;
  }

  run(command: Command, span: PageSpan | null, buffer: Uint8Array): CommandResult {
    const { errno, pages, faults } = this.#open.handle.run(command, span?.page, span?.pages, buffer);
    return { error: errnoName(errno), pages, faults };
  }

  close(): void {
    this.#open.handle.close();
  }

  notifications(): readonly Notified[] {
    return this.#open.takeNoted().map(({ event, span, owner }) => {
      const device = this.#process.open.find((open) => open.device.device === owner);
      return { event, span, owner: device ?? null };
    });
  }

  inject(fault: FaultName, times: number): void {
    this.#open.inject(fault, times);
  }
}
