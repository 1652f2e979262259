import type { ProgramSource } from "./messages.ts";
import type { ControlError, PlaceResult } from "./sharing.ts";

/** A command on the control channel, apart from the rings. */
export type ControlCommand =
  | { readonly command: "status" }
  /** Brings a program onto the device. The answer comes when the device has it. */
  | { readonly command: "load"; readonly name: string; readonly source: ProgramSource }
  | { readonly command: "unload"; readonly program: number }
  | { readonly command: "get"; readonly parameter: string }
  | { readonly command: "set"; readonly parameter: string; readonly value: number }
  /** Ends the device's thread and starts another. Queues go on, but for one whose request is running. */
  | { readonly command: "reset" }
  /** Begins placing by command in the space of a queue, by its number; not in `unmanaged` (first address and the one after). */
  | {
      readonly command: "share";
      readonly queue: number;
      readonly unmanaged?: { readonly start: number; readonly end: number } | null;
    }
  /** Binds and migrates ranges of the space of a queue, by its number. */
  | { readonly command: "place"; readonly queue: number; readonly commands: readonly PlaceCommand[] };

/** A `DeviceCommand` of the policies' library, in numbers that JSON has; stride and what is reserved are 0 if left out. */
export interface PlaceCommand {
  readonly header: number;
  readonly start: number;
  readonly end: number;
  readonly pages: number;
  readonly stride?: number;
  readonly reserved?: readonly [number, number];
}

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
      /** What became of each command of `place`, in order. */
      readonly results?: readonly PlaceResult[];
    }
  | {
      readonly outcome: "ECANCELED";
      readonly error: ControlError;
    };
