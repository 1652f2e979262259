import { HmsError } from "../model/error.ts";
import type { EntryKind, FileStore } from "./store.ts";

/** Where a capture lies in a store, and where its files belong in a machine's tree. */
export interface CapturePlace {
  /** Folder of the store, "" for its top. */
  readonly from: string;
  /** Path in the tree that the folder stands for: "" for a whole machine. */
  readonly at: string;
}

/** A tree that holds AMD's view alone stands for this folder of a machine. */
export const KFD_TOPOLOGY = "sys/class/kfd/kfd/topology";
/** Folders below the top in which a capture is looked for: `NAME/fsroot/sys` is the deepest in use. */
const DEPTH_MAX = 2;
/** Folders looked at, at most: a folder with more in it is no capture. */
const FOLDERS_MAX = 2000;

/**
 * Finds the capture in a store: a folder with `sys/` (and mostly `proc/`), at the top or up to two folders down;
 * or one with `nodes/N/properties`, AMD's KFD topology alone.
 *
 * Errors: `INPUT_NO_CAPTURE` (EINVAL) when there is none, `INPUT_AMBIGUOUS` (EINVAL) when there are several.
 */
export function locateCapture(store: FileStore, label: string): CapturePlace {
  let level = [""];
  let looked = 0;
  for (let depth = 0; depth <= DEPTH_MAX; depth++) {
    const found: CapturePlace[] = [];
    const below: string[] = [];
    for (const folder of level) {
      if (++looked > FOLDERS_MAX) break;
      const entries = entriesOf(store, folder);
      const place = placeOf(store, folder, entries);
      if (place !== undefined) found.push(place);
      for (const [name, kind] of entries)
        if (kind === "directory") below.push(folder === "" ? name : `${folder}/${name}`);
    }
    if (found.length > 1) throw ambiguous(label, found);
    if (found[0] !== undefined) return found[0];
    level = below.sort();
  }
  throw new HmsError(
    "INPUT_NO_CAPTURE",
    "EINVAL",
    `Open ${label}: it holds no capture of a machine, neither sys/ and proc/ nor AMD's nodes/*/properties, at the top or up to ${DEPTH_MAX} folders down; give the folder that holds sys/ and proc/.`,
  );
}

function placeOf(
  store: FileStore,
  folder: string,
  entries: ReadonlyMap<string, EntryKind>,
): CapturePlace | undefined {
  const inside = (name: string): string => (folder === "" ? name : `${folder}/${name}`);
  if (entries.has("sys")) {
    const sys = entriesOf(store, inside("sys"));
    if (entries.has("proc") || ["devices", "class", "bus", "kernel", "fs"].some((name) => sys.has(name)))
      return { from: folder, at: "" };
  }
  if (entries.get("nodes") !== "directory") return undefined;
  for (const [name, kind] of entriesOf(store, inside("nodes")))
    if (kind === "directory" && entriesOf(store, inside(`nodes/${name}`)).has("properties"))
      return { from: folder, at: KFD_TOPOLOGY };
  return undefined;
}

/** A folder that cannot be listed holds no capture that could be read. */
function entriesOf(store: FileStore, folder: string): ReadonlyMap<string, EntryKind> {
  try {
    return store.entries(folder) ?? new Map();
  } catch {
    return new Map();
  }
}

function ambiguous(label: string, found: readonly CapturePlace[]): HmsError {
  const names = found.slice(0, 4).map((place) => place.from);
  const more = found.length > names.length ? `, and ${found.length - names.length} more` : "";
  return new HmsError(
    "INPUT_AMBIGUOUS",
    "EINVAL",
    `Open ${label}: it holds ${found.length} captures (${names.join(", ")}${more}); give one of them.`,
  );
}
