import { TestDevice } from "@hms/driver-test";
import {
  CAN_READ,
  CAN_WRITE,
  CAUSE,
  checkInvariants,
  EIO,
  errnoName,
  KIND,
  LOST,
  OK,
  PAGE_BYTES,
} from "@hms/hmm";
import { LinuxHost, LinuxRegion, type LinuxSpace } from "@hms/host-linux";
import { HmsError } from "@hms/topology";
import type { Advice, DeviceKind, FaultName, Protection } from "../format/case.ts";
import type { PageSpan } from "../host.ts";
import { OpenDevice } from "../open-device.ts";
import type { Barrier, Calls, ExplainedPart, MapAsked, Piece } from "./face.ts";

/** Memory of the machine of a case, and what it may become rather than end the process. */
const RAM_BYTES = 256 * 2 ** 20;
const RAM_BYTES_MAX = 384 * 2 ** 20;
/** Memory of each device: 128 MiB. */
const DEVICE_PAGES = 1 << 15;
/** Steps after each of which everything is audited; later ones now and then, for cases of thousands of steps. */
const AUDITED_STEPS = 64;
const AUDIT_EVERY = 64;

/** The host's names of places, by those of the format. */
const PLACES: Readonly<Record<string, string>> = { host: "system" };

/** The kernel thread's side of one case: a fresh host, its one space, the devices, and what the program asks for. */
export class Room implements Calls {
  readonly host: LinuxHost = new LinuxHost({
    ramBytes: RAM_BYTES,
    ramBytesMax: RAM_BYTES_MAX,
    // As the kernel has it: the cases ask for the page of zeros by name.
    zeroPages: true,
  });
  readonly linux: LinuxSpace = this.host.createSpace();
  readonly #carrier: Uint8Array;
  readonly #devices = new Map<string, TestDevice>();
  readonly #open: (OpenDevice | null)[] = [];
  readonly #unpin: (() => void)[] = [];
  #audits = 0;
  /** The program is done with it. */
  closed = false;

  /** `carrier`: memory that both threads reach, for the bytes of device commands. */
  constructor(carrier: Uint8Array) {
    this.#carrier = carrier;
  }

  open(): void {
    // The room is open as soon as it is there.
  }

  /** Whatever is left goes without a question: a failed case may have left anything. */
  close(): void {
    this.closed = true;
    if (this.linux.space.closed) return;
    try {
      this.end();
    } catch (error) {
      if (!HmsError.is(error)) throw error;
    }
  }

  /** The process exits. */
  end(): void {
    for (const unpin of this.#unpin.splice(0)) unpin();
    this.linux.close();
    for (const device of this.#open) device?.handle.close();
  }

  audit(): string | null {
    this.#audits++;
    const ended = this.linux.space.closed;
    if (!ended && this.#audits > AUDITED_STEPS && this.#audits % AUDIT_EVERY !== 0) return null;
    return checkInvariants(this.host.core)[0] ?? (ended ? this.#leftOver() : null);
  }

  /** What nobody has any more must be free: in the devices, in memory, on disk. */
  #leftOver(): string | null {
    for (const { available, device, memory } of this.#devices.values()) {
      if (device.gone || available === memory.pages) continue;
      return `${memory.pages - available} pages of ${memory.name} are left over`;
    }
    const { resident, swap, owners } = this.host;
    if (resident > 0) return `${resident} pages of memory are left over`;
    if (swap.used > 0) return `${swap.used} pages on disk are left over`;
    return owners.size > 0 ? `${owners.size} ranges of addresses are left over` : null;
  }

  // Mappings.

  map({ pages, protection, kind, path, huge, at }: MapAsked): number {
    const region = this.linux.map({
      bytes: pages * PAGE_BYTES,
      kind,
      huge: huge ? true : null,
      access: accessOf(protection),
      ...(path === null ? {} : { file: { path, writable: kind === "file" } }),
      ...(at === null ? {} : { at }),
    });
    // As the kernel: a touch brings in its page, or its huge page.
    region.setWindow(huge ? 0 : 1);
    return region.first;
  }

  pieces({ page, pages }: PageSpan): readonly Piece[] {
    const found: Piece[] = [];
    for (const { first, end, owner } of this.host.owners.within(page, page + pages)) {
      if (!(owner instanceof LinuxRegion)) continue;
      const from = Math.max(first, page);
      found.push({ page: from, pages: Math.min(end, page + pages) - from, kind: owner.backing });
    }
    return found;
  }

  unmap({ page, pages }: PageSpan): void {
    this.linux.unmap(page, pages);
  }

  discard({ page, pages }: PageSpan): void {
    this.linux.discard(page, pages);
  }

  protect({ page, pages }: PageSpan, protection: Protection): void {
    this.linux.protect(page, pages, accessOf(protection));
  }

  remap({ page, pages }: PageSpan, keepOld: boolean): number {
    const region = this.linux.remap(page, pages, keepOld);
    region.setWindow(1);
    return region.first;
  }

  advise({ page, pages }: PageSpan, advice: Advice): void {
    const { space } = this.linux;
    switch (advice) {
      case "dontneed":
        this.discard({ page, pages });
        return;
      case "free":
        // What is freed lazily keeps its content for as long as memory lasts; the mirrors are told all the same.
        space.invalidate(page, page + pages, "clear");
        space.invalidated(page, page + pages);
        return;
      case "hugepage":
      case "nohugepage":
        expectOk(space.advise(page, pages, { huge: advice === "hugepage" }), "madvise");
        return;
      case "pageout":
        this.host.cool(space, page, pages);
        this.host.reclaim(this.#inMemory(page, pages));
        return;
      case "collapse":
        throw new HmsError(
          "NOT_ON_THIS_HOST",
          "EOPNOTSUPP",
          "Collapsing failed: the linux host makes huge pages when memory is first touched only.",
        );
    }
  }

  #inMemory(first: number, count: number): number {
    const { table } = this.linux.space;
    const frames = this.host.core.memories.host;
    let pages = 0;
    for (let page = first; page < first + count; page++) {
      const frame = table.frameAt(page);
      if (frame > 0 && frame < this.host.framesCount && (frames.pins[frame] ?? 0) === 0) pages++;
    }
    return pages;
  }

  /** The first page that the core lets nobody access so, and what a touch of it ends with. */
  barrier({ page, pages }: PageSpan, write: boolean): Barrier | null {
    const { space } = this.linux;
    for (let at = page; at < page + pages; at++) {
      const region = space.regions.at(at);
      if (region === null || !(write ? region.writable : region.readable))
        return { page: at, signal: "SIGSEGV" };
      if ((space.table.flagsAt(at) & KIND) === LOST) return { page: at, signal: "SIGBUS" };
      if (this.host.refuseAllocations === 0) continue;
      // A touch would end the process: what it would come to is found out without it.
      const errno = this.host.fault(space, at, write, CAUSE.cpuFault);
      if (errno !== OK) return { page: at, signal: errno === EIO ? "SIGBUS" : "ENOMEM" };
    }
    return null;
  }

  /** A shared file region's pages go to the file. */
  writeBack(page: number): void {
    const owner = this.host.owners.at(page);
    if (owner instanceof LinuxRegion && owner.backing === "file") owner.file?.sync();
  }

  pin({ page, pages }: PageSpan, kind: "short" | "long", write: boolean): void {
    const { core } = this.host;
    const frames: number[] = [];
    const unpin = (): void => {
      for (const frame of frames.splice(0)) core.unpin(frame);
    };
    for (let at = page; at < page + pages; at++) {
      const { errno, frame } = core.pin(this.linux.space, at, { write, long: kind === "long" });
      if (errno !== OK) unpin();
      expectOk(errno, "pinning");
      frames.push(frame);
    }
    if (kind === "short") unpin();
    else this.#unpin.push(unpin);
  }

  // Devices.

  openDevice(kind: DeviceKind, index: number): number {
    const name = `${kind}${index}`;
    let device = this.#devices.get(name);
    if (device === undefined) {
      device = new TestDevice(this.host.core, {
        name,
        kind,
        pages: DEVICE_PAGES,
        store: (memory) => this.host.back(memory),
      });
      this.#devices.set(name, device);
    }
    return this.#open.push(new OpenDevice(device, this.linux.space)) - 1;
  }

  #device(number: number): OpenDevice {
    const device = this.#open[number] ?? null;
    if (device === null) throw new Error(`device ${number} is not open`);
    return device;
  }

  closeDevice(device: number): void {
    this.#device(device).handle.close();
  }

  run(...[number, command, span, bytes]: Parameters<Calls["run"]>): ReturnType<Calls["run"]> {
    const { handle } = this.#device(number);
    const buffer = this.#carrier.subarray(0, bytes);
    const { errno, pages, faults } = handle.run(command, span?.page, span?.pages, buffer);
    return { error: errnoName(errno), pages, faults };
  }

  notifications(number: number): ReturnType<Calls["notifications"]> {
    return this.#device(number)
      .takeNoted()
      .map(({ event, span, owner }) => ({
        event,
        span,
        owner: this.#numberOf((open) => open.device.device === owner),
      }));
  }

  #numberOf(is: (open: OpenDevice) => boolean): number | null {
    const number = this.#open.findIndex((open) => open !== null && is(open));
    return number < 0 ? null : number;
  }

  injectDevice(device: number, fault: FaultName, times: number): void {
    this.#device(device).inject(fault, times);
  }

  // The extensions.

  inject(fault: FaultName, times: number): void {
    if (fault === "no-memory") this.host.refuseAllocations = times;
  }

  reclaim(pages: number, nonBlocking: boolean): number {
    return this.host.reclaim(pages, { blocking: !nonBlocking });
  }

  migrate({ page, pages }: PageSpan, to: number | null, duplicate: boolean): number {
    const { core } = this.host;
    const memory = to === null ? null : this.#device(to).device.memory;
    return core.migrate({ space: this.linux.space, first: page, count: pages, to: memory, duplicate }).moved;
  }

  explain({ page, pages }: PageSpan): readonly ExplainedPart[] {
    return this.host.core.explain(this.linux.space, page, pages).map((run) => ({
      pages: run.count,
      where: this.#place(run.where),
      from: run.from === null ? null : this.#place(run.from),
      cause: run.cause,
      override:
        run.override === null
          ? null
          : {
              what: run.override.what,
              by: this.#numberOf((open) => open.device.device.name === run.override?.who),
            },
    }));
  }

  #place(name: string): string | number {
    return this.#numberOf((open) => open.device.memory.name === name) ?? PLACES[name] ?? name;
  }
}

function accessOf(protection: Protection): number {
  return protection === "none" ? 0 : protection === "r" ? CAN_READ : CAN_READ | CAN_WRITE;
}

function expectOk(errno: number, call: string): void {
  if (errno === OK) return;
  const name = errnoName(errno);
  throw new HmsError(name ?? "CALL_FAILED", name, `${call} failed with ${name ?? errno}`);
}
