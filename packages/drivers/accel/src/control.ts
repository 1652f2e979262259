import type { ErrnoName } from "@hms/topology";
import type { ProgramSource } from "./messages.ts";

/** A command on the control channel, apart from the rings. */
export type ControlCommand =
  | { readonly command: "status" }
  /** Brings a program onto the device. The answer comes when the device has it. */
  | { readonly command: "load"; readonly name: string; readonly source: ProgramSource }
  | { readonly command: "unload"; readonly program: number }
  | { readonly command: "get"; readonly parameter: string }
  | { readonly command: "set"; readonly parameter: string; readonly value: number }
  /** Ends the device's thread and starts another. Queues go on, but for one whose request is running. */
  | { readonly command: "reset" };

export interface AccelStatus {
  readonly state: "starting" | "running" | "ending" | "isolated" | "closed";
  readonly queues: number;
  /** Times that the device's thread was started after the first. */
  readonly restarts: number;
  readonly errorsLastHour: number;
  readonly memoryBytes: number;
  readonly memoryFreeBytes: number;
  /** Pages that went home to make room. */
  readonly evicted: number;
}

/**
 * The answer. A command that the device refuses has the outcome ECANCELED, and the answer says why, as an accelerator's
 * firmware does; one that it took in time has the outcome 0.
 */
export type ControlReply =
  | {
      readonly outcome: "OK";
      readonly status?: AccelStatus;
      readonly program?: number;
      /** Names of the kernels of a loaded program. */
      readonly kernels?: readonly string[];
      readonly value?: number;
    }
  | {
      readonly outcome: "ECANCELED";
      readonly error: { readonly code: string; readonly errno: ErrnoName | null; readonly message: string };
    };
