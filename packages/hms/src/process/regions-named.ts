import { type ProcessIdentity, processError } from "@hms/host-linux/proc";
import { HmsError, nearest } from "@hms/topology";
import { MovableMappings, UNNAMED } from "./move-mappings.ts";

/** Names that are compared, and those that a message lists. */
const NAMES_MAX = 4096;
const LISTED_MAX = 4;

/**
 * Whether a process has mappings of such a name at all: a mistyped one would else move nothing, as if all were well.
 *
 * @throws HmsError REGION_UNKNOWN (ENOENT) with the nearest names; PROCESS_GONE (ESRCH), PROCESS_DENIED (EACCES)
 */
export function expectRegions(found: ProcessIdentity, glob: string, action: string): void {
  let names: readonly string[];
  try {
    using matching = new MovableMappings(found.pid, glob);
    if (matching.next()) return;
    names = namesOf(found.pid);
  } catch (error) {
    throw processError(error, { pid: found.pid, action });
  }
  const near = nearNames(glob, names);
  const listed = names.slice(0, LISTED_MAX).join(", ");
  const offer =
    near.length > 0
      ? `did you mean ${near.join(" or ")}?`
      : `there are ${listed}${names.length > LISTED_MAX ? ", …" : ""} (hms ps --regions ${found.pid} shows them)`;
  throw new HmsError(
    "REGION_UNKNOWN",
    "ENOENT",
    `${action}: it has no mapping that could move with a name like ${JSON.stringify(glob)}; ${offer}`,
  );
}

function namesOf(pid: number): string[] {
  const names = new Set<string>();
  using mappings = new MovableMappings(pid, null);
  while (names.size < NAMES_MAX && mappings.next()) names.add(mappings.name === "" ? UNNAMED : mappings.name);
  return [...names];
}

/** Names with the glob's text in them, such as `[heap]` of `heap`; else those a few letters away, files also by their last part. */
function nearNames(glob: string, names: readonly string[]): string[] {
  const text = glob.replaceAll(/^[*?]+|[*?]+$/g, "").toLowerCase();
  if (text === "") return [];
  const within = names.filter((name) => name.toLowerCase().includes(text));
  if (within.length > 0) return within.slice(0, LISTED_MAX);
  const whole = nearest(text, names);
  if (whole.length > 0) return whole;
  const file = fileOf(text);
  const files = new Set(nearest(file, names.map(fileOf)));
  return names.filter((name) => files.has(fileOf(name))).slice(0, LISTED_MAX);
}

function fileOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
