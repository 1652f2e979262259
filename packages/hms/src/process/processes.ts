import { openProcess, PROC, type ProcessIdentity, processNumbers, threadPlaces } from "@hms/host-linux/proc";
import { HmsError } from "@hms/topology";
import { discoverMeasured } from "@hms/topology/measured";
import { type MemoryOptions, outsideOf, readMemory, roomOn } from "./memory-of.ts";
import type { ProcessMemory } from "./process-memory.ts";
import { runsOf } from "./runs.ts";

/** Which processes, and what of them. */
export interface ProcessesOptions extends Omit<MemoryOptions, "regions"> {
  /** Number of the user whose processes are meant; `all`: everyone's. This user's unless given, and for root everyone's. */
  readonly user?: number | "all";
}

/**
 * The memory of all processes of a user, one after the other, by their numbers: as `memoryOf` of each. Threads of the
 * kernel have none and are left out, as is what ends while it is looked at. Of a process that this user may not look
 * into, `places` is empty and `unknown` says why.
 *
 * @example
 * ```ts
 * import { processes } from "hms/process";
 * for await (const { pid, name, misplaced } of processes())
 *   if ((misplaced?.bytes ?? 0) > 2 ** 30) console.log(pid, name, misplaced?.mend);
 * ```
 */
export async function* processes(options: ProcessesOptions = {}): AsyncGenerator<ProcessMemory, void, void> {
  const { proc = PROC, machine = discoverMeasured(), user = ownUser(), ...rest } = options;
  const room = roomOn(machine);
  for (const pid of processNumbers(proc)) {
    const found = openOrNull(pid, proc);
    if (found === null || found.resident === null || (user !== "all" && found.user !== user)) continue;
    try {
      yield await readMemory(found, { ...rest, machine, proc, room });
    } catch (error) {
      if (!HmsError.is(error)) throw error;
      if (error.code === "PROCESS_DENIED")
        yield outsideOf(found, runsOf(machine, threadPlaces(proc, pid)), error.message);
      else if (error.code !== "PROCESS_GONE") throw error;
    }
  }
}

function ownUser(): number | "all" {
  const user = process.geteuid?.() ?? 0;
  return user === 0 ? "all" : user;
}

/** Null for a process that has ended, or is hidden. */
function openOrNull(pid: number, proc: string): ProcessIdentity | null {
  try {
    return openProcess(pid, proc);
  } catch (error) {
    if (HmsError.is(error)) return null;
    throw error;
  }
}
