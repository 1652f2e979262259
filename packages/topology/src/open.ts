import { statSync } from "node:fs";
import { assemble } from "./assemble/assemble.ts";
import type { DiscoverOptions } from "./discover.ts";
import { discoverTree } from "./discover-tree.ts";
import { HmsError } from "./model/error.ts";
import type { Machine } from "./model/machine.ts";
import { KNOWN, unreadable } from "./open-errors.ts";
import type { Source } from "./sources/source.ts";
import { DiskStore, FolderTree } from "./tree/folder.ts";
import { LinkedTree } from "./tree/linked.ts";
import { locateCapture } from "./tree/locate.ts";
import { ViewStore } from "./tree/view.ts";

/** What stands for standard input. */
const STANDARD_INPUT = "-";

/**
 * Opens what a person names as input: a file or folder first, then a machine that ships with hms, then a short
 * spec. What a file is is told by its content, not by its name.
 *
 * @param more sources for a machine's own files
 */
export async function openInput(
  source: string,
  options: DiscoverOptions,
  more: readonly Source[] = [],
): Promise<Machine> {
  if (source === STANDARD_INPUT) {
    const { openStream } = await import("./open-file.ts");
    return openStream(process.stdin, "standard input", options, more);
  }
  switch (kindOf(source)) {
    case "folder":
      return openFolder(source, more);
    case "file": {
      const { openFile } = await import("./open-file.ts");
      return openFile(source, options, more);
    }
    case undefined:
      return openName(source);
  }
}

function kindOf(source: string): "folder" | "file" | undefined {
  // A name with a NUL is no path, and a short spec may be longer than a path can be.
  if (source === "" || source.includes("\0")) return undefined;
  try {
    return statSync(source).isDirectory() ? "folder" : "file";
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG") return undefined;
    throw unreadable(source, error);
  }
}

function openFolder(source: string, more: readonly Source[]): Machine {
  const store = new DiskStore(source);
  try {
    store.entries("");
  } catch (error) {
    throw unreadable(source, error);
  }
  const place = locateCapture(store, source);
  const tree =
    place.at === ""
      ? new FolderTree(place.from === "" ? source : `${source}/${place.from}`, { label: source })
      : new LinkedTree(new ViewStore(store, place), { label: source });
  return discoverTree(tree, { kind: "capture", path: source }, more);
}

/** What is no file: a machine that ships with hms, or a spec given in one line. */
async function openName(source: string): Promise<Machine> {
  const { isShortSpec, machineNames, machinePath, readMachine } = await import("./formats/spec/machines.ts");
  if (machinePath(source) !== undefined) return readMachine(source);
  if (isShortSpec(source)) {
    const { readShortSpec } = await import("./formats/spec/read.ts");
    return assemble(readShortSpec(source), { kind: "spec", path: source }, "spec");
  }
  const { nearest } = await import("./query/names.ts");
  const names = machineNames();
  const near = nearest(source, names);
  const hint =
    near.length > 0
      ? `did you mean the machine ${near.join(" or ")}?`
      : `give ${KNOWN}, or a machine that ships with hms: ${names.join(", ")}.`;
  throw new HmsError(
    "INPUT_NOT_FOUND",
    "ENOENT",
    `Open ${JSON.stringify(source)}: there is no such file or folder; ${hint}`,
  );
}
