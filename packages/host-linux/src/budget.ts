// How much memory of this machine a host may have resident.
import { totalmem } from "node:os";
import { HUGE_PAGES, PAGE_BYTES, type PageCount } from "@hms/hmm";
import { HmsError } from "@hms/topology";

/** The budget when none is given: this share of what the process may have. */
const DEFAULT_SHARE = 0.8;
/** The least memory that the budget may be: two windows of 2 MiB for each party of a copy. */
const LEAST: PageCount = 4 * HUGE_PAGES;

/** What the machine has. */
export function machinePages(): PageCount {
  return Math.floor(totalmem() / PAGE_BYTES);
}

/** What the machine, or the control group that the process is in, has; less what others need. */
export function defaultBudget(): PageCount {
  const limit = process.constrainedMemory();
  const machine = machinePages();
  const pages = limit > 0 ? Math.min(machine, Math.floor(limit / PAGE_BYTES)) : machine;
  return Math.max(LEAST, Math.floor(pages * DEFAULT_SHARE));
}

/** Pages of a budget in bytes. Throws BAD_RAM_SIZE (EINVAL) below 8 MiB and above what the machine, or `most`, is. */
export function budgetOf(bytes: number, most: PageCount = machinePages()): PageCount {
  const pages = Math.floor(bytes / PAGE_BYTES);
  if (Number.isSafeInteger(bytes) && pages >= LEAST && pages <= most) return pages;
  const mib = (count: PageCount): number => Math.floor((count * PAGE_BYTES) / 2 ** 20);
  throw new HmsError(
    "BAD_RAM_SIZE",
    "EINVAL",
    `Setting the memory budget failed: it must be ${mib(LEAST)} MiB to ${mib(most)} MiB, which is what the machine has, not ${bytes} bytes.`,
  );
}
