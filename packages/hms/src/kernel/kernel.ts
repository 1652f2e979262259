import { existsSync } from "node:fs";
import { BroadcastChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { PageCount, Space } from "@hms/hmm";
import {
  dieLoudly,
  EventFd,
  gettid,
  KernelLoop,
  type LinuxHost,
  type LoopService,
  type MapOptions,
  type Placement,
  Residence,
  WakePage,
} from "@hms/host-linux";
import { HmsError } from "@hms/topology";
import { CORE, type CoreRegistry, HandleTable, type Peer, RingServer, Service } from "@hms/uabi";
import {
  CLOSED,
  CONNECTS,
  channelOf,
  type Handed,
  type Hello,
  KERNEL_TID,
  type KernelThreadData,
  type Meeting,
  ORIGIN_BYTE,
  STATE,
} from "../beside.ts";
import { contextHandlers, GONE_MAX, type RegionInfo, regionInfo } from "./context.ts";
import { deviceHandlers } from "./device.ts";
import { eventsHandlers } from "./events.ts";
import { Journal } from "./journal.ts";
import type {
  ContextEntry,
  Machine,
  Objects,
  PeerEntry,
  QueueEntry,
  RegionEntry,
  SpaceEntry,
} from "./objects.ts";
import { Placements } from "./placement/placements.ts";
import { queueHandlers } from "./queue.ts";
import { newEntry, regionHandlers } from "./region.ts";
import { registrationHandlers } from "./registration.ts";
import { spaceHandlers } from "./space.ts";
import { Tasks } from "./tasks.ts";
import { Watch } from "./traffic.ts";

/** How long the thread waits between two looks while there is no host yet. Milliseconds. */
const LOOK_EVERY = 1;

/**
 * The kernel thread: the host, the devices, and all that the interface names, with the meaning of its methods. It
 * serves faults and messages, and waits for no other thread.
 */
export class Kernel implements LoopService {
  readonly handles: HandleTable<Objects> = new HandleTable<Objects>();
  readonly tasks: Tasks = new Tasks();
  readonly journal: Journal = new Journal();
  readonly watch: Watch = new Watch(this.journal);
  readonly wake: EventFd;
  readonly placement: Placement;
  readonly spaces: Set<SpaceEntry> = new Set();
  /** Regions that were destroyed, the oldest first. */
  readonly gone: RegionInfo[] = [];
  /** Where memory should be, and on which nodes it is. */
  readonly placements: Placements = new Placements(this);
  /** Commands of one call are being carried out: those of others wait. */
  placing = false;
  #residence: Residence | null = null;
  machines: readonly Machine[] = [];
  context: ContextEntry | null = null;
  host: LinuxHost | null = null;
  readonly #meeting: Meeting;
  readonly #heartbeat: Int32Array;
  readonly #words: Int32Array;
  readonly #hellos: BroadcastChannel;
  readonly #peers = new Map<Peer, PeerEntry>();
  readonly #rings: RingServer<CoreRegistry>;
  #connects = 0;
  #loop: KernelLoop | null = null;
  #ended = false;

  constructor({ meeting, heartbeat }: KernelThreadData, placement: Placement) {
    this.placement = placement;
    this.#meeting = meeting;
    this.#heartbeat = heartbeat;
    this.#words = new Int32Array(meeting.words);
    this.wake = EventFd.of(meeting.wakeFd);
    this.#hellos = new BroadcastChannel(meeting.channel);
    const service = new Service(CORE, {
      hasHandle: (kind, handle) => this.handles.has(kind, handle),
      onClose: (peer) => this.#gone(peer),
    }).on({
      context: contextHandlers(this),
      space: spaceHandlers(this),
      region: regionHandlers(this),
      device: deviceHandlers(this),
      queue: queueHandlers(this),
      registration: registrationHandlers(this),
      events: eventsHandlers(this),
    });
    this.#rings = new RingServer(service);
  }

  /** Serves until the context is closed. */
  run(): void {
    new Float64Array(this.#meeting.words, ORIGIN_BYTE, 1)[0] = performance.timeOrigin;
    Atomics.store(this.#words, KERNEL_TID, gettid());
    while (this.host === null && !this.#ended) {
      if (this.#connect() + this.#rings.poll() === 0)
        Atomics.wait(this.#words, CONNECTS, this.#connects, LOOK_EVERY);
    }
    this.#loop?.run();
    this.#residence?.[Symbol.dispose]();
    this.placements[Symbol.dispose]();
    Atomics.store(this.#words, STATE, CLOSED);
    this.#rings.close();
    this.#hellos.close();
    this.wake.close();
    Atomics.store(this.#words, KERNEL_TID, 0);
    Atomics.notify(this.#words, KERNEL_TID);
  }

  /** From now on the faults of a host are served. Throws NO_DESCRIPTOR. */
  serve(host: LinuxHost): void {
    this.#loop = new KernelLoop(host, this, this.wake, {
      heartbeat: this.#heartbeat,
      placement: this.placement,
      wakePage: WakePage.of(this.#meeting.wakePage),
    });
    this.host = host;
  }

  /** Ends `run` when everything is given back. */
  end(): void {
    this.#ended = true;
    this.#loop?.stop();
  }

  // The loop.

  poll(): number {
    let done = this.#connect() + this.#rings.poll() + this.tasks.step();
    for (const { accel } of this.machines) done += accel.poll();
    this.watch.tick();
    return done + this.journal.serve();
  }

  impatient(): boolean {
    return this.tasks.size > 0 || this.machines.some(({ accel }) => accel.impatient);
  }

  /** Devices' threads know the eventfd only. */
  askedFirst(): boolean {
    return this.machines.length === 0;
  }

  /** A sign of life within what takes long. */
  beat(): void {
    Atomics.add(this.#heartbeat, 0, 1);
  }

  sleeping(asleep: boolean): void {
    if (asleep) this.#rings.prepareToSleep();
    else this.#rings.awake();
  }

  // Threads.

  #connect(): number {
    const connects = Atomics.load(this.#words, CONNECTS);
    if (connects === this.#connects) return 0;
    this.#connects = connects;
    let done = 0;
    for (;;) {
      const received = receiveMessageOnPort(this.#hellos as unknown as MessagePort);
      if (received === undefined) return done;
      this.#add(received.message as Hello);
      done++;
    }
  }

  #add({ peer: id, ring, tid, threadAddress, owner }: Hello): void {
    const peer: Peer = { transport: "ring", credentials: null };
    const channel = new BroadcastChannel(channelOf(this.#meeting, id));
    this.#peers.set(peer, { peer, id, tid, owner, channel, owns: new Map() });
    this.placement.register(tid, threadAddress);
    this.#rings.add(ring, peer);
  }

  #gone(peer: Peer): void {
    const entry = this.#peers.get(peer);
    if (entry === undefined) return;
    this.#peers.delete(peer);
    this.placement.forget(entry.tid);
    for (const [handle, drop] of [...entry.owns].reverse()) {
      entry.owns.delete(handle);
      this.#quietly(drop);
    }
    for (const space of this.spaces) for (const region of space.regions) region.openIn.delete(entry);
    entry.channel.close();
    // Before the context is open there is nobody else to serve.
    if (this.context === null && entry.owner) this.end();
  }

  /** Nobody is there any more to be told what is wrong. */
  #quietly(drop: () => void): void {
    try {
      drop();
    } catch (error) {
      if (!HmsError.is(error)) dieLoudly(`cleaning up after a thread failed: ${String(error)}`);
    }
  }

  /** The thread that asks. */
  peer(peer: Peer): PeerEntry {
    const entry = this.#peers.get(peer);
    if (entry === undefined) throw new Error("a peer is asked about that is not connected");
    return entry;
  }

  /** Threads besides one that are connected and alive. */
  others(than: PeerEntry): PeerEntry[] {
    return [...this.#peers.values()].filter(
      (entry) => entry !== than && existsSync(`/proc/self/task/${entry.tid}`),
    );
  }

  /** Lets go of regions that threads had open which ended without a word. */
  forgetDead(region: RegionEntry): void {
    for (const entry of [...region.openIn])
      if (!existsSync(`/proc/self/task/${entry.tid}`)) region.openIn.delete(entry);
  }

  /** Something that goes with a thread. */
  own(peer: Peer, handle: number, drop: () => void): void {
    this.peer(peer).owns.set(handle, drop);
  }

  disown(handle: number): void {
    for (const { owns } of this.#peers.values()) owns.delete(handle);
  }

  /** Hands shared memory to a thread, beside the interface; before the answer that speaks of it. */
  hand(peer: Peer, handed: Handed): void {
    this.peer(peer).channel.postMessage(handed);
  }

  // What handlers share.

  /** Makes a region. */
  addRegion(
    space: SpaceEntry,
    options: MapOptions,
    kind: RegionEntry["kind"],
    label: string,
    maker: PeerEntry,
  ): RegionEntry {
    return newEntry(this, space, options, kind, label, maker);
  }

  /** Ends a region; a file's is written back before. Throws WRITE_BACK_FAILED (ENOSPC, EIO): then it stays. */
  destroyRegion(entry: RegionEntry): void {
    const { space, linux, first, pages } = entry;
    if (entry.kind === "file") linux.file?.sync();
    space.linux.unmap(first, pages);
    space.regions.delete(entry);
    this.watch.removeRegion(entry);
    this.handles.delete("region", entry.handle);
    this.gone.push(regionInfo(entry, true));
    if (this.gone.length > GONE_MAX) this.gone.shift();
  }

  /** Ends a queue, whatever it is doing. */
  closeQueue(entry: QueueEntry): void {
    entry.queue.close();
    entry.device.queues.delete(entry);
    entry.space.queues.delete(entry);
    this.disown(entry.handle);
    this.handles.delete("queue", entry.handle);
  }

  /** On which nodes of the machine pages are. Throws ENODEV as `open` does. */
  get residence(): Residence {
    this.#residence ??= new Residence(this.open);
    return this.#residence;
  }

  /** The host. Throws ENODEV before the context is open, and after it is closed. */
  get open(): LinuxHost {
    if (this.host !== null) return this.host;
    throw new HmsError("HMS_NOT_OPEN", "ENODEV", "The request failed: no context is open.");
  }

  machine(name: string): Machine | undefined {
    return this.machines.find((machine) => machine.name === name || machine.accel.deviceMemory.name === name);
  }

  /** The memory with a name: null is the host's. Throws ENOENT. */
  memory(name: string): Machine | null {
    if (name === "host") return null;
    const machine = this.machine(name);
    if (machine !== undefined) return machine;
    const names = ["host", ...this.machines.map((one) => one.name)].join(", ");
    throw new HmsError(
      "NO_SUCH_TARGET",
      "ENOENT",
      `There is no memory ${JSON.stringify(name)}: there are ${names}.`,
    );
  }

  /** Throws EINVAL for a range that is none, or is in no region of the space. */
  expectRange(action: string, space: Space, first: number, count: PageCount): void {
    const whole = Number.isSafeInteger(first) && count >= 1 && first + count <= 2 ** 36;
    const region = whole ? (space.regions.at(first) ?? space.regions.after(first)) : null;
    if (region !== null && region.first < first + count) return;
    throw new HmsError(
      "BAD_RANGE",
      "EINVAL",
      `${action} failed: no region of the space is in the ${count} pages from page ${first} on.`,
    );
  }
}
