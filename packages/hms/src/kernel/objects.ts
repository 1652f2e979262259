import type { BroadcastChannel } from "node:worker_threads";
import type { AccelContext, AccelDriver, AccelQueue } from "@hms/driver-accel";
import type { PageCount, PageIndex } from "@hms/hmm";
import type { LinuxRegion, LinuxSpace, MapOptions } from "@hms/host-linux";
import type { CoreRegistry, Handle, Peer, TypeValue } from "@hms/uabi";
import type { Flows } from "./flows.ts";
import type { Subscription } from "./journal.ts";
import type { Policies } from "./placement/policies.ts";

export type RegionKind = TypeValue<CoreRegistry, "region-kind">;
export type Advice = TypeValue<CoreRegistry, "advice">;
export type Range = TypeValue<CoreRegistry, "range">;

/** A thread that is connected. */
export interface PeerEntry {
  /** How the service knows it. */
  readonly peer: Peer;
  readonly id: string;
  readonly tid: number;
  readonly owner: boolean;
  readonly channel: BroadcastChannel;
  /** What goes when it goes, by handle. */
  readonly owns: Map<number, () => void>;
}

export interface ContextEntry {
  readonly handle: Handle<"context">;
}

export interface SpaceEntry {
  readonly handle: Handle<"space">;
  readonly linux: LinuxSpace;
  readonly regions: Set<RegionEntry>;
  readonly queues: Set<QueueEntry>;
  /** Where its pages should be. */
  readonly policies: Policies;
}

/** What happened to the pages of a region, in the order of the interface's struct, and what is beside it. */
export interface Traffic {
  cpuFaults: number;
  deviceFaults: number;
  faultNs: number;
  toDevice: PageCount;
  toHost: PageCount;
  evicted: PageCount;
  duplicated: PageCount;
  swappedOut: PageCount;
  swappedIn: PageCount;
  droppedClean: PageCount;
}

export interface RegionEntry {
  readonly handle: Handle<"region">;
  readonly space: SpaceEntry;
  readonly linux: LinuxRegion;
  readonly kind: RegionKind;
  readonly name: string;
  readonly first: PageIndex;
  readonly pages: PageCount;
  /** What it was made with. */
  readonly options: MapOptions;
  readonly traffic: Traffic;
  readonly flows: Flows;
  /** Threads that have it open, besides those that have not said so; the maker counts. */
  readonly openIn: Set<PeerEntry>;
  advice: Advice;
}

/** A device of the context. */
export interface Machine {
  readonly name: string;
  readonly driver: string;
  readonly accel: AccelDriver;
  usedBytesMax: number;
}

export interface DeviceEntry {
  readonly handle: Handle<"device">;
  readonly machine: Machine;
  readonly context: AccelContext;
  readonly queues: Set<QueueEntry>;
}

export interface QueueEntry {
  readonly handle: Handle<"queue">;
  readonly device: DeviceEntry;
  readonly space: SpaceEntry;
  readonly queue: AccelQueue;
}

export interface RegistrationEntry {
  readonly handle: Handle<"registration">;
  readonly device: DeviceEntry;
  readonly program: number;
}

/** Kinds of handles. */
export interface Objects {
  context: ContextEntry;
  space: SpaceEntry;
  region: RegionEntry;
  device: DeviceEntry;
  queue: QueueEntry;
  registration: RegistrationEntry;
  events: Subscription;
}
