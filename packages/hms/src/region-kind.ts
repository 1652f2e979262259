import type { Answered, CoreRegistry } from "@hms/uabi";
import type { RegionKind } from "./region.ts";

/** A kind as `Region.kind` has it; `unknown` is one of a newer kernel thread. */
export type ListedKind = RegionKind | "unknown";

/** The interface calls private memory by where its pages come from, programs by who may write it. */
export function listedKind(
  listed: Answered<CoreRegistry, "context", "regions">["regions"][number]["kind"],
): ListedKind {
  return listed === "anonymous" ? "private" : listed;
}
