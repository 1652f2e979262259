import { CAUSE, type Cause as CauseNumber, LOSS, type LossReason } from "@hms/hmm";
import type { CoreRegistry, TypeValue } from "@hms/uabi";
import type { Cause } from "./journal.ts";

type Reason = TypeValue<CoreRegistry, "reason">;

/** The interface names what the core numbers: `cpuFault` is `cpu-fault`. */
function names<T extends string>(numbers: Readonly<Record<string, number>>): readonly T[] {
  const list: T[] = [];
  for (const [name, number] of Object.entries(numbers))
    list[number] = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`) as T;
  return list;
}

const CAUSES = names<Cause>(CAUSE);
const REASONS = names<Reason>(LOSS);

export function causeName(cause: CauseNumber): Cause {
  return CAUSES[cause] ?? "none";
}

export function reasonName(reason: LossReason): Reason {
  return REASONS[reason] ?? "aborted";
}
