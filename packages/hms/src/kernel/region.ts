import { CAN_READ, CAN_WRITE, PAGE_BYTES, type PageCount, type PageIndex } from "@hms/hmm";
import type { LinuxRegion, MapOptions } from "@hms/host-linux";
import { HmsError } from "@hms/topology";
import type { CoreRegistry, Handle, Handlers, Input, Output, TypeValue } from "@hms/uabi";
import { Flows } from "./flows.ts";
import type { Kernel } from "./kernel.ts";
import type { PeerEntry, RegionEntry, SpaceEntry } from "./objects.ts";
import { failureWithReport } from "./placement/report-value.ts";
import { type RegionFile, regionFile } from "./region-file.ts";
import { residencyOf } from "./residency.ts";
import { snapshotting } from "./snapshot.ts";
import { noTraffic } from "./traffic.ts";

type RegionHandlers = NonNullable<Handlers<CoreRegistry>["region"]>;
type Asked = Input<CoreRegistry, "region", "create">;

const READ = 1;
const WRITE = 2;
const RUNS_DEFAULT = 4096;

export function regionHandlers(kernel: Kernel): RegionHandlers {
  const get = (handle: Handle<"region">): RegionEntry => kernel.handles.get("region", handle);
  return {
    create(asked, call) {
      const space = kernel.handles.get("space", asked.space);
      const protection = asked.protection ?? READ | WRITE;
      const access = (protection & READ ? CAN_READ : 0) | (protection & WRITE ? CAN_WRITE : 0);
      const writable = (protection & WRITE) !== 0;
      const file = fileOf(asked, writable);
      const entry = orUndo(file, () =>
        kernel.addRegion(
          space,
          { ...optionsOf(asked, file, writable), access },
          asked.kind,
          asked.label ?? "",
          kernel.peer(call.peer),
        ),
      );
      return { region: entry.handle, address: entry.first * PAGE_BYTES, size: entry.pages * PAGE_BYTES };
    },

    protect({ region: handle, protection, range }) {
      const { space, linux, ...region } = get(handle);
      const { first, count } = inside("Protecting", { ...region }, range);
      if ((protection & WRITE) !== 0 && region.kind === "file" && region.options.file?.writable !== true) {
        throw new HmsError(
          "READ_ONLY_FILE",
          "EACCES",
          `Protecting ${region.name} failed: its file is open for reading only. Make the region with writable: true.`,
        );
      }
      const access = (protection & READ ? CAN_READ : 0) | (protection & WRITE ? CAN_WRITE : 0);
      space.linux.protect(first, count, access);
    },

    destroy({ region: handle }, call) {
      const entry = get(handle);
      kernel.forgetDead(entry);
      const others = [...entry.openIn].filter((peer) => peer !== kernel.peer(call.peer)).length;
      if (others > 0) {
        throw new HmsError(
          "REGION_OPEN",
          "EBUSY",
          `Freeing ${entry.name} failed: ${others === 1 ? "another thread has" : `${others} other threads have`} it attached. Let them dispose it first.`,
        );
      }
      kernel.destroyRegion(entry);
    },

    open({ region: handle }, call) {
      const { openIn, first, pages } = get(handle);
      openIn.add(kernel.peer(call.peer));
      return { address: first * PAGE_BYTES, size: pages * PAGE_BYTES };
    },

    close({ region: handle }, call) {
      get(handle).openIn.delete(kernel.peer(call.peer));
    },

    sync({ region: handle }) {
      const { linux, kind } = get(handle);
      return { written: kind === "file" ? (linux.file?.sync() ?? 0) : 0 };
    },

    snapshot({ region: handle }, call) {
      const later = call.later();
      kernel.tasks.add(snapshotting(kernel, get(handle), kernel.peer(call.peer), later));
      return later;
    },

    residency({ region: handle, range, limit }): Output<CoreRegistry, "region", "residency"> {
      const entry = get(handle);
      const { first, count } = inside("Looking at", entry, range);
      return residencyOf(kernel, entry, first, count, limit ?? RUNS_DEFAULT);
    },
  };
}

/** The range that is meant. Throws EINVAL when it is not inside of the region. */
function inside(
  action: string,
  { first, pages, name }: Pick<RegionEntry, "first" | "pages" | "name">,
  range: TypeValue<CoreRegistry, "range"> | undefined,
): { readonly first: PageIndex; readonly count: PageCount } {
  if (range === undefined) return { first, count: pages };
  if (range.count >= 1 && range.first >= first && range.first + range.count <= first + pages) return range;
  throw new HmsError(
    "BAD_RANGE",
    "EINVAL",
    `${action} ${name} failed: ${range.count} pages from page ${range.first} on are not inside of it.`,
  );
}

/** The file that is asked for; null for memory. Throws BAD_REGION, and what `regionFile` does. */
function fileOf({ kind, bytes, path, offset = 0 }: Asked, writable: boolean): RegionFile | null {
  const memory = kind === "anonymous" || kind === "shared";
  if (memory && (bytes === undefined || path !== undefined)) {
    throw new HmsError(
      "BAD_REGION",
      "EINVAL",
      `Making a region failed: one of the kind ${kind} needs a size, and has no file.`,
    );
  }
  if (memory) return null;
  if (path === undefined)
    throw new HmsError("BAD_REGION", "EINVAL", "Making a file region failed: it needs the path of a file.");
  return regionFile(path, offset, bytes, kind === "file" && writable);
}

function optionsOf(asked: Asked, file: RegionFile | null, writable: boolean): MapOptions {
  const huge = asked.huge === "always" ? true : asked.huge === "never" ? false : null;
  const { kind, path = "", offset = 0 } = asked;
  const bytes = file?.bytes ?? asked.bytes ?? 0;
  if (file === null) return { bytes, kind: kind === "shared" ? "shared" : "private", huge };
  if (kind === "file") return { bytes, kind: "file", huge, file: { path, writable, offset } };
  return { bytes, kind: "private", huge, file: { path, writable: false, offset } };
}

/** What is made of a file; one that was made for it goes again when it fails, unless somebody else has it by now. */
function orUndo<T>(file: RegionFile | null, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!HmsError.is(error) || error.code !== "FILE_IN_USE") file?.undo();
    throw error;
  }
}

/** A region in the tables of the kernel thread. */
export function newEntry(
  kernel: Kernel,
  space: SpaceEntry,
  options: MapOptions,
  kind: RegionEntry["kind"],
  label: string,
  maker: PeerEntry,
): RegionEntry {
  // The handle comes first: without a label it is what the region is called, here and by whoever made it.
  const entry = {} as RegionEntry;
  const handle = kernel.handles.add("region", entry);
  const linux = mapped(kernel, handle, () =>
    space.linux.map({ ...options, name: label === "" ? `region ${handle}` : label }),
  );
  Object.assign(entry, {
    handle,
    space,
    linux,
    kind,
    name: linux.name,
    first: linux.first,
    pages: linux.pages,
    options,
    traffic: noTraffic(),
    flows: new Flows(),
    openIn: new Set([maker]),
    advice: "normal",
  } satisfies RegionEntry);
  space.regions.add(entry);
  kernel.watch.addRegion(entry);
  try {
    kernel.placements.adopt(entry);
  } catch (error) {
    kernel.destroyRegion(entry);
    throw failureWithReport(error);
  }
  return entry;
}

/** What was mapped for a handle, which is taken back when that fails. */
function mapped(kernel: Kernel, handle: Handle<"region">, map: () => LinuxRegion): LinuxRegion {
  try {
    return map();
  } catch (error) {
    kernel.handles.delete("region", handle);
    throw error;
  }
}
