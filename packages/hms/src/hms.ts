import type { Answered, CoreRegistry, Handle, SocketServer } from "@hms/uabi";
import type { Meeting } from "./beside.ts";
import { Device } from "./device.ts";
import { type EventOptions, EventStream } from "./events.ts";
import type { Cause } from "./explain.ts";
import { closed, type Link } from "./link.ts";
import { expectNumber, expectOptions, expectText, type Known, NAME_BYTES } from "./options.ts";
import { type ListedKind, listedKind } from "./region-kind.ts";
import { type ServeOptions, serve } from "./serve.ts";
import { parseSize, type Size } from "./size.ts";
import { Space } from "./space.ts";

const PAGE = 4096;
/** Regions that are listed at most. */
const REGIONS_MAX = 4096;
type RegionAnswer = Answered<CoreRegistry, "context", "regions">["regions"][number];
type SampleAnswer = Answered<CoreRegistry, "context", "timeline">["samples"][number];

/** Objects, methods and attributes of the interface, as it tells them itself. */
export type InterfaceInfo = Answered<CoreRegistry, "context", "query">;

/** How a space is made. */
export interface SpaceOptions {
  /**
   * Its shares of some targets (a device, `nodeN`, `host`), by name: the most that it may have, or that and what it can
   * have whenever it wants it. Of others it has as much as there is. What has no room within a share goes where it would
   * go if the target were full.
   */
  readonly shares?: Readonly<Record<string, Size | { readonly least?: Size; readonly most?: Size }>>;
}

const SPACE: Known<SpaceOptions> = { shares: "object" };
const SHARE: Known<{ readonly least?: Size; readonly most?: Size }> = { least: "any", most: "any" };

/** What another thread needs to use this hms (`attach`). It can be posted to any thread of the process. */
export interface HmsHandle {
  readonly hms: "hms";
  readonly meeting: Meeting;
  readonly context: number;
  readonly space: number;
}

/** What has happened since hms was opened, and what is in use. */
export interface Statistics {
  /** Page faults of CPUs and of devices that were answered. */
  readonly cpuFaults: number;
  readonly deviceFaults: number;
  /** Time that answering those of CPUs took. */
  readonly faultMs: number;
  readonly movedToDeviceBytes: number;
  readonly movedToHostBytes: number;
  readonly movedBetweenDevicesBytes: number;
  /** Read-only duplicates that were made. */
  readonly duplicatedBytes: number;
  /** What devices had no room for any more. */
  readonly evictedBytes: number;
  /** What left RAM for the file for cold pages, and what was read back from it. Pages of files go to their own. */
  readonly swappedOutBytes: number;
  readonly swappedInBytes: number;
  /** Of `swappedOutBytes`, what was not written: the file for cold pages had it already, and it had only been read since. */
  readonly droppedCleanBytes: number;
  /** What was lost with a device. */
  readonly lostBytes: number;
  readonly invalidations: number;
  /** Placements that the host or a driver did not allow as asked. */
  readonly overrides: number;
  /** Of the host's memory in use now, and the most that ever was. */
  readonly residentBytes: number;
  readonly residentBytesMax: number;
  /** Of the file for cold pages, in use. */
  readonly swapBytes: number;
}

/** A region, or one that was, and what happened to its pages. */
export interface RegionTraffic {
  readonly name: string;
  readonly address: number;
  readonly bytes: number;
  /** As `kind` of the region itself. */
  readonly kind: ListedKind;
  /** Whether it was freed. */
  readonly gone: boolean;
  readonly cpuFaults: number;
  readonly deviceFaults: number;
  /** Time that answering both took. */
  readonly faultMs: number;
  readonly toDeviceBytes: number;
  readonly toHostBytes: number;
  /** Of those that came home, the ones that a device had no room for any more. */
  readonly evictedBytes: number;
  readonly duplicatedBytes: number;
  /** As in `Statistics`. */
  readonly swappedOutBytes: number;
  readonly swappedInBytes: number;
  readonly droppedCleanBytes: number;
}

/** Pages that went the same way for the same reason. */
export interface Flow {
  /** Places, as `explain` has them; `nowhere`: they were never touched before. */
  readonly from: string;
  readonly to: string;
  readonly cause: Cause;
  /** They stayed where they were, and read-only duplicates were made. */
  readonly duplicate: boolean;
  readonly bytes: number;
  /** Moves that this took. */
  readonly moves: number;
}

/** What had happened by a point of time. Counts are since hms was opened. */
export interface Sample {
  /** Milliseconds since 1970. */
  readonly when: number;
  readonly cpuFaults: number;
  readonly deviceFaults: number;
  readonly faultMs: number;
  readonly movedToDeviceBytes: number;
  readonly movedToHostBytes: number;
  readonly swappedOutBytes: number;
  readonly swappedInBytes: number;
  /** In use then: of the host's memory, of the memories of all devices. */
  readonly residentBytes: number;
  readonly deviceBytes: number;
}

/** A device, as it is listed. */
export interface DeviceEntry {
  readonly name: string;
  readonly driver: string;
}

/** What an Hms is made of. */
export interface HmsInit {
  readonly link: Link;
  readonly context: Handle<"context">;
  /** The default space; null: it is to be made. */
  readonly space: Handle<"space"> | null;
  /** Ends the kernel thread after the context is closed; null in a thread that attached it. */
  readonly end: (() => void) | null;
  readonly onWritableFile: () => void;
  /** Told when it is closed. */
  readonly onClose?: () => void;
  /** Told when it is about to be. */
  readonly beforeClose?: () => void;
}

/**
 * An open hms: its spaces, its devices, and what happens. `open` makes it, `attach` brings it to other threads. With
 * `using` it is closed at the end of the block.
 */
export class Hms implements Disposable {
  /** The default space. */
  readonly space: Space;
  readonly #link: Link;
  readonly #context: Handle<"context">;
  readonly #end: (() => void) | null;
  readonly #onWritableFile: () => void;
  readonly #onClose: (() => void) | undefined;
  readonly #beforeClose: (() => void) | undefined;
  readonly #spaces = new Set<Space>();
  readonly #servers = new Set<SocketServer>();
  readonly #devices = new Map<string, Device>();
  #closed = false;

  constructor(init: HmsInit) {
    this.#link = init.link;
    this.#context = init.context;
    this.#end = init.end;
    this.#onWritableFile = init.onWritableFile;
    this.#onClose = init.onClose;
    this.#beforeClose = init.beforeClose;
    this.space = this.#spaceOf(init.space ?? this.#link.sync.space.create({ context: init.context }).space);
  }

  #spaceOf(handle: Handle<"space">): Space {
    const space = new Space({
      link: this.#link,
      context: this.#context,
      handle,
      onWritableFile: this.#onWritableFile,
    });
    this.#spaces.add(space);
    return space;
  }

  /**
   * Serves the interface on a Unix socket, to other processes and languages: they can look at everything, and change it
   * as this process can (memory they see through this process only). Who connects is checked by what the kernel says of
   * the process. It ends with `close` of what is answered, or of hms.
   *
   * Rejects with ADDRESS_IN_USE (EBUSY), BAD_ADDRESS.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB" });
   * await using server = await hms.serve(`example-${process.pid}.socket`);
   * console.log(server.size); // 0 clients: `hms abi --socket PATH` is one
   * ```
   */
  async serve(path: string, options: ServeOptions = {}): Promise<SocketServer> {
    this.#expectOpen("Serving");
    const server = await serve(this.#link.meeting, path, options);
    this.#servers.add(server);
    return server;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed || this.#link.over;
  }

  /**
   * Makes a further space. Queues reach one space only: what is in another they cannot touch. Throws NO_SUCH_TARGET
   * (ENOENT) for shares of what is not there.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * using secret = hms.createSpace();
   * const x = secret.alloc(Float32Array, 100);
   * const queue = hms.device("accel0").queue();
   * await queue.run(() => {}, { x: x.read() }).catch((error) => console.log(error.code)); // OTHER_SPACE
   * ```
   */
  createSpace(options: SpaceOptions = {}): Space {
    this.#expectOpen("Making a space");
    expectOptions("Making a space", options, SPACE);
    const shares = Object.entries(options.shares ?? {}).map(([target, share]) => shareOf(target, share));
    const made = this.#link.sync.space.create({
      context: this.#context,
      ...(shares.length === 0 ? {} : { shares }),
    });
    return this.#spaceOf(made.space);
  }

  /**
   * The devices.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB", "accel:memory=1MiB,name=small"] });
   * console.log(hms.devices.map(({ name }) => name)); // [ 'accel0', 'small' ]
   * ```
   */
  get devices(): readonly DeviceEntry[] {
    this.#expectOpen("Listing devices");
    return this.#link.sync.device.list({ context: this.#context }).devices;
  }

  /**
   * The device with a name; the same object each time. Throws NO_SUCH_DEVICE (ENOENT), BAD_OPTION (EINVAL) for what is
   * no name.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * console.log(hms.device("accel0").attributes.instances); // 64
   * ```
   */
  device(name: string): Device {
    this.#expectOpen("Opening a device");
    const there = this.#devices.get(name);
    if (there !== undefined) return there;
    expectText("Opening a device", "its name", name, NAME_BYTES);
    const { device } = this.#link.sync.device.open({ context: this.#context, name });
    const made = new Device(this.#link, name, device, {
      space: () => this.space,
      onClose: () => this.#devices.delete(name),
    });
    this.#devices.set(name, made);
    return made;
  }

  /**
   * What has happened so far.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * const x = hms.space.alloc(Uint8Array, 1 << 20);
   * x.view.fill(1);
   * await hms.space.migrate(x, "accel0");
   * const { cpuFaults, movedToDeviceBytes } = hms.statistics();
   * console.log(cpuFaults > 0, movedToDeviceBytes); // true 1048576
   * ```
   */
  statistics(): Statistics {
    this.#expectOpen("Counting");
    const { statistics: s, droppedClean = 0 } = this.#link.sync.context.statistics({
      context: this.#context,
    });
    return {
      cpuFaults: s.cpuFaults,
      deviceFaults: s.deviceFaults,
      faultMs: s.faultNs / 1e6,
      movedToDeviceBytes: s.movedToDevice * PAGE,
      movedToHostBytes: s.movedToHost * PAGE,
      movedBetweenDevicesBytes: s.movedBetweenDevices * PAGE,
      duplicatedBytes: s.duplicated * PAGE,
      evictedBytes: s.evicted * PAGE,
      swappedOutBytes: s.swappedOut * PAGE,
      swappedInBytes: s.swappedIn * PAGE,
      droppedCleanBytes: droppedClean * PAGE,
      lostBytes: s.lost * PAGE,
      invalidations: s.invalidations,
      overrides: s.overrides,
      residentBytes: s.residentBytes,
      residentBytesMax: s.residentBytesMax,
      swapBytes: s.swapBytes,
    };
  }

  /**
   * Regions with what happened to their pages, those with the most traffic first, also regions that were freed (the last
   * 1024). `limit`: 1 to 4096, default 256; else BAD_OPTION (EINVAL).
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * const x = hms.space.alloc(Uint8Array, 65536, { name: "x" });
   * x.view.fill(1);
   * await hms.space.migrate(x, "accel0");
   * console.log(hms.regions().map(({ name, toDeviceBytes }) => `${name} ${toDeviceBytes}`)); // [ 'x 65536' ]
   * ```
   */
  regions(limit: number = 256): RegionTraffic[] {
    this.#expectOpen("Listing regions");
    expectNumber("Listing regions", "the limit", limit, { least: 1, most: REGIONS_MAX });
    return this.#link.sync.context.regions({ context: this.#context, limit }).regions.map(trafficOf);
  }

  /**
   * Which way pages went, and why: of all regions together, also of those that were freed long ago.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * {
   *   using x = hms.space.alloc(Uint8Array, 65536);
   *   x.view.fill(1);
   *   await hms.space.migrate(x, "accel0");
   * }
   * for (const { from, to, cause, bytes } of hms.flows())
   *   console.log(from, to, cause, bytes); // host accel0 memory migrate 65536
   * ```
   */
  flows(): Flow[] {
    this.#expectOpen("Listing flows");
    const { flows } = this.#link.sync.context.flows({ context: this.#context });
    return flows.map(({ pages, ...flow }) => ({ ...flow, bytes: pages * PAGE }));
  }

  /**
   * What had happened by when: up to 512 samples over all the time since hms was opened, and one of now.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB" });
   * console.log(hms.timeline().at(-1)?.cpuFaults); // 0
   * ```
   */
  timeline(): Sample[] {
    this.#expectOpen("Asking for the timeline");
    const { samples } = this.#link.sync.context.timeline({ context: this.#context });
    return samples.map((sample) => sampleOf(sample, this.#link.time(sample.when)));
  }

  /**
   * What the interface can do: its objects, methods and attributes, with their documentation. What `hms abi` prints.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB" });
   * console.log(hms.interface().objects.map(({ name }) => name).includes("queue")); // true
   * ```
   */
  interface(): InterfaceInfo {
    this.#expectOpen("Asking what there is");
    return this.#link.sync.context.query({});
  }

  /**
   * Subscribes to what happens from now on: an `EventStream`, to be closed. Throws BAD_TOPIC, BAD_OPTION (EINVAL).
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * using events = hms.events({ topics: ["faults", "migrations"], capacity: 1000 });
   * hms.space.alloc(Uint8Array, 4096).view[0] = 1;
   * console.log(events.take().length, events.dropped); // 1 0
   * ```
   */
  events(options: EventOptions = {}): EventStream {
    this.#expectOpen("Subscribing");
    return new EventStream(this.#link, this.#context, options);
  }

  /**
   * What other threads of this process need to use this hms: `attach(handle)`.
   *
   * @example
   * ```ts
   * import { attach, open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * // Usually in another thread, that it was posted to.
   * using same = attach(hms.handle());
   * console.log(same.devices.length); // 1
   * ```
   */
  handle(): HmsHandle {
    this.#expectOpen("Making a handle");
    return { hms: "hms", meeting: this.#link.meeting, context: this.#context, space: this.space.handle };
  }

  /**
   * Closes it: queues end, what was written to files is written back, all memory is given back; views have no elements
   * afterwards. In a thread that attached it, only this thread leaves. Throws THREADS_ATTACHED (EBUSY) while other
   * threads are attached, WRITE_BACK_FAILED (ENOSPC, EIO): then everything stays open, and nothing is lost. Closing
   * again does nothing.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * const hms = await open({ ram: "64MiB" });
   * const { view } = hms.space.alloc(Float32Array, 100);
   * hms.close();
   * console.log(hms.closed, view.length); // true 0
   * ```
   */
  close(): void {
    this.#close(false);
  }

  /** At the end of the thread: whoever else is there. */
  closeAnyway(): void {
    this.#close(true);
  }

  #close(force: boolean): void {
    if (this.#closed) return;
    for (const server of this.#servers) void server.close();
    if (this.#end !== null && !this.#link.over) {
      this.#beforeClose?.();
      this.#link.sync.context.close({ context: this.#context, ...(force ? { force } : {}) });
    }
    this.#closed = true;
    for (const device of this.#devices.values()) for (const queue of [...device.queues]) queue.forget();
    for (const space of this.#spaces) space.forget();
    this.#onClose?.();
    this.#end?.();
  }

  #expectOpen(action: string): void {
    if (this.closed) throw closed(action);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function trafficOf(region: RegionAnswer): RegionTraffic {
  const { traffic: t, droppedClean = 0 } = region;
  return {
    name: region.name,
    address: region.address,
    bytes: region.size,
    kind: listedKind(region.kind),
    gone: region.gone,
    cpuFaults: t.cpuFaults,
    deviceFaults: t.deviceFaults,
    faultMs: t.faultNs / 1e6,
    toDeviceBytes: t.toDevice * PAGE,
    toHostBytes: t.toHost * PAGE,
    evictedBytes: t.evicted * PAGE,
    duplicatedBytes: t.duplicated * PAGE,
    swappedOutBytes: t.swappedOut * PAGE,
    swappedInBytes: t.swappedIn * PAGE,
    droppedCleanBytes: droppedClean * PAGE,
  };
}

function sampleOf(s: SampleAnswer, when: number): Sample {
  return {
    when,
    cpuFaults: s.cpuFaults,
    deviceFaults: s.deviceFaults,
    faultMs: s.faultNs / 1e6,
    movedToDeviceBytes: s.movedToDevice * PAGE,
    movedToHostBytes: s.movedToHost * PAGE,
    swappedOutBytes: s.swappedOut * PAGE,
    swappedInBytes: s.swappedIn * PAGE,
    residentBytes: s.residentBytes,
    deviceBytes: s.deviceBytes,
  };
}

function shareOf(
  target: string,
  share: Size | { readonly least?: Size; readonly most?: Size },
): { target: string; bytes: number; least?: number } {
  expectText("Making a space", "the target of a share", target, NAME_BYTES);
  if (typeof share !== "object") return { target, bytes: parseSize(share, `the share of ${target}`) };
  expectOptions("Making a space", share, SHARE);
  const { least, most } = share;
  return {
    target,
    bytes: most === undefined ? Number.MAX_SAFE_INTEGER : parseSize(most, `the share of ${target}`),
    ...(least === undefined ? {} : { least: parseSize(least, `the least share of ${target}`) }),
  };
}
