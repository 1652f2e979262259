import { discoverTree } from "./discover-tree.ts";
import { measuredFiles } from "./measured/places.ts";
import type { Machine } from "./model/machine.ts";
import type { Source } from "./sources/source.ts";
import { LiveTree } from "./tree/live.ts";
import type { FileTree } from "./tree/tree.ts";

/** Reads the machine that this runs on. */
export function discoverLive(): Machine {
  return discoverTree(new LiveTree(), { kind: "live", path: null });
}

/** Bounds on what `discover` opens, and what it reads besides. */
export interface DiscoverOptions {
  /**
   * What `hms measure` found out about the machine that is read: a file's path, or true for what is kept on this
   * machine (`$XDG_DATA_HOME/hms/measured.json`, `/var/lib/hms/measured.json`) when this machine is read. A file that is
   * named has to be of the machine that is read; of those that are kept, what is of another machine is left out, with a
   * warning. Default: none.
   */
  readonly measured?: string | true;
  /** Bytes that an archive may unpack to, at most; 512 MiB unless given. */
  readonly archiveBytesMax?: number;
  /** Members of an archive, at most; 1,000,000 unless given. */
  readonly archiveEntriesMax?: number;
}

/**
 * Reads a machine: this one when no source is given, else
 * - a capture: a folder with `sys/` and `proc/` (at the top or up to two folders down), or a `.tar`, `.tar.gz`,
 *   `.tar.bz2`, `.tar.xz` or `.tar.zst` of one; AMD's KFD topology alone (`nodes/N/properties`) will do too,
 * - hwloc XML (version 2), the JSON of `hms topo --format json`, or a spec in YAML,
 * - the name of a machine that ships with hms, or a spec as a short string,
 * - `-`: standard input, with any of the files above,
 * - files that the program holds itself (a FileTree, such as a MemoryTree).
 *
 * What a file is is told by its content. Anything odd inside of a capture ends up in `warnings` and the rest is
 * read; what cannot be opened at all is an error.
 *
 * Errors: `INPUT_NOT_FOUND` (ENOENT), `INPUT_UNREADABLE` (EACCES, EIO), `INPUT_NOT_UNDERSTOOD`, `INPUT_NO_CAPTURE`,
 * `INPUT_AMBIGUOUS` (EINVAL), `INPUT_TOO_LARGE` (EFBIG), `ARCHIVE_UNSAFE` (EINVAL), `ARCHIVE_DAMAGED` (EIO), and
 * those of the formats; `MEASURED_INVALID`, `MEASURED_OTHER_MACHINE`, `MEASURED_NOT_APPLICABLE` (EINVAL).
 *
 * @example
 * ```ts
 * import { discover } from "@hms/topology";
 * const machine = await discover("xeon-max");
 * for (const target of machine.targets) console.log(target.id, target.kind.kind, target.size);
 * ```
 */
export async function discover(source?: string | FileTree, options: DiscoverOptions = {}): Promise<Machine> {
  const live = source === undefined || (typeof source !== "string" && source.live);
  const { measured } = options;
  const required = typeof measured === "string";
  const paths = required ? [measured] : measured === true && live ? measuredFiles() : [];
  if (paths.length === 0) return read(source, options, []);
  const { withMeasured } = await import("./measured/open.ts");
  return withMeasured({ paths, required }, (from) => read(source, options, [from]));
}

async function read(
  source: string | FileTree | undefined,
  options: DiscoverOptions,
  more: readonly Source[],
): Promise<Machine> {
  if (source === undefined) return discoverTree(new LiveTree(), { kind: "live", path: null }, more);
  if (typeof source !== "string")
    return discoverTree(
      source,
      source.live ? { kind: "live", path: null } : { kind: "capture", path: source.label },
      more,
    );
  const { openInput } = await import("./open.ts");
  return openInput(source, options, more);
}
