import { PAGE_BYTES } from "@hms/hmm";
import { LinuxHost } from "@hms/host-linux";
import { HmsError } from "@hms/topology";
import type { CoreRegistry, Handle, Handlers, Later, Output, Peer, TypeValue } from "@hms/uabi";
import type { Kernel } from "./kernel.ts";
import { makeMachines } from "./machines.ts";
import type { RegionEntry } from "./objects.ts";
import { pagesMoved } from "./traffic.ts";

type ContextHandlers = NonNullable<Handlers<CoreRegistry>["context"]>;
export type RegionInfo = TypeValue<CoreRegistry, "region-entry">;
type Closed = Output<CoreRegistry, "context", "close">;

/** Regions that were destroyed and are still listed. */
export const GONE_MAX = 1024;
const REGIONS_DEFAULT = 256;
/** How long devices have to end what they are doing. Nanoseconds. */
const DEVICES_GRACE = 30e9;

export function contextHandlers(kernel: Kernel): ContextHandlers {
  return {
    open({ ram, swap, swapMax, devices }) {
      if (kernel.host !== null) {
        throw new HmsError(
          "HMS_OPEN",
          "EBUSY",
          "Opening hms failed: it is open already. One kernel thread has one context.",
        );
      }
      const host = new LinuxHost({
        ...(ram === undefined ? {} : { ramBytes: ram }),
        ...(swap === undefined ? {} : { swapDirectory: swap }),
        ...(swapMax === undefined ? {} : { swapBytesMax: swapMax }),
        trace: kernel.watch,
      });
      try {
        kernel.machines = makeMachines(host, devices ?? [], {
          wakeFd: kernel.wake.fd,
          placer: kernel.placements.devices,
        });
        kernel.serve(host);
      } catch (error) {
        for (const { accel } of kernel.machines) accel.close();
        kernel.machines = [];
        host.close();
        throw error;
      }
      kernel.watch.begin(host, kernel.machines);
      const handle = kernel.handles.add("context", { handle: 0 as Handle<"context"> });
      kernel.context = { handle };
      return { context: handle, host: host.name, revision: 1 };
    },

    statistics() {
      const host = kernel.open;
      const { statistics: core, records } = host.core;
      const { cpuFaults, deviceFaults, cpuFaultTime, swappedOut, droppedClean, swappedIn } = host.statistics;
      const { movedToDevice, movedToHost, movedBetweenDevices, duplicated, evicted, lost, invalidations } =
        core;
      return {
        statistics: {
          cpuFaults,
          deviceFaults,
          faultNs: Math.floor(cpuFaultTime),
          movedToDevice,
          movedToHost,
          movedBetweenDevices,
          duplicated,
          evicted,
          swappedOut: swappedOut + droppedClean,
          swappedIn,
          lost,
          invalidations,
          overrides: records.overrides.total,
          residentBytes: host.resident * PAGE_BYTES,
          residentBytesMax: Math.max(kernel.watch.residentMax, host.resident) * PAGE_BYTES,
          swapBytes: host.swap.used * PAGE_BYTES,
        },
        droppedClean,
      };
    },

    close({ force }, call) {
      const later = call.later();
      kernel.tasks.add(closing(kernel, call.peer, force === true, later));
      return later;
    },

    regions({ limit }) {
      const live = [...kernel.spaces].flatMap((space) => [...space.regions]);
      const all = [...live.map((entry) => regionInfo(entry, false)), ...kernel.gone];
      all.sort((a, b) => rank(b) - rank(a));
      return { regions: all.slice(0, limit ?? REGIONS_DEFAULT), total: all.length };
    },

    flows() {
      const { flows, regions } = kernel.watch.totals();
      return { flows: flows.list, regions };
    },

    timeline() {
      return { samples: kernel.watch.timeline.list() };
    },
  };
}

function rank({ traffic }: RegionInfo): number {
  return pagesMoved(traffic) + traffic.cpuFaults + traffic.deviceFaults;
}

/** What is said of a region. */
export function regionInfo(
  { handle, name, space, first, pages, kind, traffic: { droppedClean, ...traffic }, flows }: RegionEntry,
  gone: boolean,
): RegionInfo {
  return {
    name,
    space: space.handle,
    address: first * PAGE_BYTES,
    size: pages * PAGE_BYTES,
    kind,
    gone,
    traffic: { ...traffic, faultNs: Math.floor(traffic.faultNs) },
    ...(gone ? {} : { region: handle }),
    flows: flows.list.map((flow) => ({ ...flow })),
    droppedClean,
  };
}

function expectAlone(others: number): void {
  if (others === 0) return;
  throw new HmsError(
    "THREADS_ATTACHED",
    "EBUSY",
    `Closing hms failed: ${others === 1 ? "another thread is" : `${others} other threads are`} attached. Close what they attached first, or end them.`,
  );
}

/** Throws WRITE_BACK_FAILED (ENOSPC, EIO): then everything stays open, and nothing is lost. */
function writeBack(kernel: Kernel): void {
  for (const space of kernel.spaces)
    for (const region of space.regions) if (region.kind === "file") region.linux.file?.sync();
}

/** What could fail comes first, while everything is still there; faults are served while queues end. */
function* closing(
  kernel: Kernel,
  peer: Peer,
  force: boolean,
  later: Later<Closed>,
): Generator<boolean, void> {
  // Other threads may have left a moment ago: first they are listened to.
  yield true;
  try {
    if (!force) expectAlone(kernel.others(kernel.peer(peer)).length);
    writeBack(kernel);
  } catch (error) {
    later.fail(error);
    return;
  }
  const host = kernel.open;
  for (const [, { context }] of [...kernel.handles.entries("device")]) context.close();
  for (const { accel } of kernel.machines) accel.shutDown();
  const until = host.now() + DEVICES_GRACE;
  while (host.now() < until && kernel.machines.some(({ accel }) => !accel.down)) yield false;
  try {
    for (const { accel } of kernel.machines) accel.close();
    // What queues wrote until they ended.
    writeBack(kernel);
    if (!force) for (const { linux } of [...kernel.spaces]) linux.close();
    host.close();
    later.answer({});
  } catch (error) {
    later.fail(error);
  }
  kernel.end();
}
