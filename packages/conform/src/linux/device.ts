import type { Command, FaultName } from "../format/case.ts";
import type { CaseDevice, CommandResult, Notified, PageSpan } from "../host.ts";
import type { LinuxCaseProcess } from "./host.ts";

/** A test device that the program has opened: it lives in the kernel thread, which knows it by a number. */
export class LinuxCaseDevice implements CaseDevice {
  readonly number: number;
  readonly #process: LinuxCaseProcess;

  constructor(process: LinuxCaseProcess, number: number) {
    this.#process = process;
    this.number = number;
  }

  /** The buffer is carried there and back: the driver must leave alone what it does not fill. */
  run(command: Command, span: PageSpan | null, buffer: Uint8Array): CommandResult {
    const { caller, carrier } = this.#process.threads;
    carrier.set(buffer);
    const result = caller.call("run", this.number, command, span, buffer.length);
    if (command !== "write") buffer.set(carrier.subarray(0, buffer.length));
    return result;
  }

  close(): void {
    this.#process.threads.caller.call("closeDevice", this.number);
  }

  notifications(): readonly Notified[] {
    return this.#process.threads.caller.call("notifications", this.number).map(({ event, span, owner }) => ({
      event,
      span,
      owner: owner === null ? null : (this.#process.open[owner] ?? null),
    }));
  }

  inject(fault: FaultName, times: number): void {
    this.#process.threads.caller.call("injectDevice", this.number, fault, times);
  }
}
