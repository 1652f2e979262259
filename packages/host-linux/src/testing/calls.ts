// What a test's program can ask its kernel thread for.
import {
  CAUSE,
  checkInvariants,
  type DeviceMemory,
  FrameAllocator,
  HOST,
  KIND,
  type Migration,
  NO_FRAME,
} from "@hms/hmm";
import type { ErrnoName } from "@hms/topology";
import type { DeviceBacking } from "../backing.ts";
import type { HostStatistics } from "../host.ts";
import type { MapOptions } from "../space.ts";
import { hugePagesIn, residentPages } from "../sys/pagemap.ts";
import type { Bench } from "./kernel.ts";

export type Told =
  | { readonly value: unknown }
  | { readonly error: string; readonly code: string; readonly errno: ErrnoName | null };

/** A device whose memory is kept by the host, and which moves pages without copies. */
interface Device {
  readonly memory: DeviceMemory;
  readonly backing: DeviceBacking;
}

const devices = new Map<string, Device>();

function device({ host }: Bench, name: string): Device {
  const known = devices.get(name);
  if (known !== undefined) return known;
  const pages = 1 << 14;
  const free = new FrameAllocator(pages);
  const fill = (m: Migration): void => {
    for (let i = 0; i < m.count; i++) {
      if (!m.moving(i)) continue;
      const index = free.take();
      if (index < 0) return;
      if (!made.backing.adopt(index, m.source(i))) free.give(index);
      else m.setDestination(i, made.memory.base + index);
    }
  };
  const memory = host.core.addDevice(name).addMemory({
    name: `${name} memory`,
    kind: "private",
    pages,
    ops: {
      free: (index) => {
        made.backing.free(index);
        free.give(index);
      },
      migrateToDevice: fill,
      migrateToHost: (m) => {
        m.takeHostPages({ huge: false });
        for (let i = 0; i < m.count; i++) {
          if (!m.moving(i) || m.destination(i) === NO_FRAME) continue;
          if (made.backing.giveHome(m.source(i) - made.memory.base, m.destination(i))) m.adopted(i);
        }
      },
      read: (index, offset, target) => made.backing.read(index, offset, target),
      write: (index, offset, source) => made.backing.write(index, offset, source),
    },
  });
  const made: Device = { memory, backing: host.back(memory) };
  devices.set(name, made);
  return made;
}

export const calls = {
  map: ({ space }: Bench, options: MapOptions) => {
    const region = space.map(options);
    return { id: region.id, address: region.address, bytes: region.pages * 4096 };
  },
  window: ({ space }: Bench, id: number, pages: number) => space.regions.get(id)?.setWindow(pages),
  unmap: ({ space }: Bench, first: number, count: number) => space.unmap(first, count),
  discard: ({ space }: Bench, first: number, count: number) => space.discard(first, count),
  protect: ({ space }: Bench, first: number, count: number, access: number) =>
    space.protect(first, count, access),
  remap: ({ space }: Bench, first: number, count: number, keepOld: boolean) => {
    const region = space.remap(first, count, keepOld);
    return { id: region.id, address: region.address, bytes: region.pages * 4096 };
  },
  sync: ({ space }: Bench, id: number) => space.regions.get(id)?.file?.sync() ?? 0,
  reclaim: ({ host }: Bench, pages: number) => host.reclaim(pages),
  toDevice: (bench: Bench, first: number, count: number, name: string) =>
    bench.host.core.migrate({ space: bench.space.space, first, count, to: device(bench, name).memory }).moved,
  toHost: (bench: Bench, first: number, count: number) =>
    bench.host.core.migrate({ space: bench.space.space, first, count, to: null }).moved,
  /** Reads a byte of a page as a device that the core gives the frame would. */
  peek: ({ host, space }: Bench, page: number) => {
    const frame = space.space.table.frameAt(page);
    const byte = new Uint8Array(1);
    if ((space.space.table.flagsAt(page) & KIND) === HOST) host.read(frame, 0, byte, null);
    else host.core.read(frame, 0, byte, null);
    return byte[0] ?? 0;
  },
  kindOf: ({ space }: Bench, page: number) => space.space.table.flagsAt(page) & KIND,
  regions: ({ space }: Bench) => space.regions.size,
  resident: (_: Bench, address: number, bytes: number) => residentPages(address, bytes),
  huge: (_: Bench, address: number, bytes: number) => hugePagesIn(address, bytes),
  statistics: ({ host }: Bench): HostStatistics & { resident: number; budget: number; swapUsed: number } => ({
    ...host.statistics,
    resident: host.resident,
    budget: host.budget,
    swapUsed: host.swap.used,
  }),
  explain: ({ host, space }: Bench, first: number, count: number) =>
    host.core.explain(space.space, first, count),
  sleptInRead: ({ sleptInRead }: Bench) => sleptInRead(),
  check: ({ host }: Bench) => checkInvariants(host.core),
  evictDevice: (bench: Bench, name: string) =>
    device(bench, name).memory.evict(0, 1 << 14, CAUSE.eviction).moved,
  /** Makes so many regions, and takes them away again whatever happens. */
  many: ({ space }: Bench, count: number) => {
    const made: { readonly first: number; readonly pages: number }[] = [];
    try {
      for (let i = 0; i < count; i++) made.push(space.map({ bytes: 4096 }));
    } finally {
      for (const { first, pages } of made) space.unmap(first, pages);
    }
    return made.length;
  },
  disappear: (bench: Bench, name: string) => {
    const gone = device(bench, name).memory.device.disappear();
    devices.delete(name);
    return gone;
  },
  /** The kernel thread does not come back. */
  hang: () => {
    for (;;);
  },
  /** The kernel thread throws where nobody catches. */
  fail: ({ host }: Bench) => {
    host.owners.at = () => {
      throw new Error("on purpose");
    };
  },
  close: (bench: Bench) => {
    const { space, stop } = bench;
    for (const name of devices.keys()) device(bench, name).memory.device.close();
    devices.clear();
    space.close();
    stop();
  },
};
