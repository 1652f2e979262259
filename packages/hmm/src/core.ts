import { HmsError } from "@hms/topology";
import { bringHome, type Surroundings } from "./bring-home.ts";
import type { Cause } from "./cause.ts";
import { Device } from "./device.ts";
import type { DeviceMemory } from "./device-memory.ts";
import { COHERENT, EMPTY, HOST, KIND, LOST, PRIVATE, SWAP, ZERO } from "./entry.ts";
import type { Errno } from "./errno.ts";
import { restoreExclusive } from "./exclusive.ts";
import { type Explanation, explain } from "./explain.ts";
import type { Host } from "./host-contract.ts";
import { SPACES_MAX } from "./limits.ts";
import { Memories } from "./memories.ts";
import { type MigrateRequest, type MoveReport, migrate } from "./migrate.ts";
import { Migration } from "./migration.ts";
import { ChunkPool } from "./page-table.ts";
import { type Pinned, pin } from "./pin.ts";
import { Places } from "./places.ts";
import { emptyStatistics, Records, type Statistics } from "./records.ts";
import { Space, type SpaceOptions } from "./space.ts";
import {
  type ByteCount,
  FIRST_DEVICE_FRAME,
  type FrameNumber,
  HUGE_PAGES,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
} from "./units.ts";

/**
 * The core: one contract between the owner of the CPU's memory (the host) and the drivers of devices. Synchronous; it
 * has no time, randomness, I/O or threads of its own. A host makes it, and is all it knows of the machine.
 *
 * @example
 * ```ts
 * import { TestDevice } from "@hms/driver-test";
 * import { ModelHost } from "@hms/host-model";
 * const host = new ModelHost();
 * const { core } = host;
 * const process = host.createProcess();
 * const device = new TestDevice(core, { name: "dev0", kind: "private", pages: 64 });
 * const first = process.mmap({ pages: 8 });
 * process.write(first, 0, new Uint8Array(4096).fill(7));
 * const report = core.migrate({ space: process.space, first, count: 8, to: device.memory });
 * console.log(report.moved); // 8
 * console.log(core.explain(process.space, first, 8)[0]?.where); // dev0 memory
 * ```
 */
export class Core {
  readonly host: Host;
  readonly memories: Memories;
  readonly places: Places = new Places();
  readonly chunks: ChunkPool = new ChunkPool();
  readonly devices: Set<Device> = new Set();
  readonly records: Records = new Records();
  readonly statistics: Statistics = emptyStatistics();
  readonly #spaces: (Space | null)[] = [];
  readonly #migrations: Migration[] = [];
  /** Migrations that are between their first and their last step. */
  migrating = 0;
  /** Told of each migration that moved something, before it ends. Must not fault, migrate or throw. */
  onMoved: ((migration: Migration) => void) | null = null;

  constructor(host: Host) {
    this.host = host;
    this.memories = new Memories(host.framesCount);
  }

  /** Makes a space. Throws ENOSPC when 2^24 are open. */
  createSpace(options: SpaceOptions = {}): Space {
    let id = this.#spaces.indexOf(null);
    if (id < 0) id = this.#spaces.length;
    if (id >= SPACES_MAX) {
      throw new HmsError(
        "TOO_MANY_SPACES",
        "ENOSPC",
        `Making a space failed: ${SPACES_MAX} are open already.`,
      );
    }
    const space = new Space(this, id, options);
    this.#spaces[id] = space;
    return space;
  }

  /** The space with that number; it exists while something is mapped in it. */
  space(id: number): Space {
    const space = this.#spaces[id];
    if (space === null || space === undefined) throw new Error(`there is no space ${id}`);
    return space;
  }

  /** The spaces that are open. */
  spaces(): Space[] {
    return this.#spaces.filter((space) => space !== null);
  }

  /** The space's number may be used again. */
  dropSpace(space: Space): void {
    this.#spaces[space.id] = null;
  }

  /** Adds a device for a driver. */
  addDevice(name: string): Device {
    const device = new Device(this, name);
    this.devices.add(device);
    return device;
  }

  /**
   * Reads bytes of whatever memory a frame belongs to, on behalf of a device (null: a CPU). Throws ENODEV when it is
   * gone, EIO when its driver failed.
   */
  read(frame: FrameNumber, offset: number, target: Uint8Array, by: Device | null): void {
    if (frame < FIRST_DEVICE_FRAME) {
      this.#expectBytes(frame, offset, target.length);
      this.host.read(frame, offset, target, by);
      return;
    }
    const memory = this.present(frame);
    try {
      memory.ops.read(frame - memory.base, offset, target);
    } catch (error) {
      throw memory.device.failed("read", error);
    }
  }

  /** Writes bytes of whatever memory a frame belongs to. Throws ENODEV when it is gone, EIO when its driver failed. */
  write(frame: FrameNumber, offset: number, source: Uint8Array, by: Device | null): void {
    if (frame < FIRST_DEVICE_FRAME) {
      this.#expectBytes(frame, offset, source.length);
      this.host.write(frame, offset, source, by);
      return;
    }
    const memory = this.present(frame);
    try {
      memory.ops.write(frame - memory.base, offset, source);
    } catch (error) {
      throw memory.device.failed("write", error);
    }
  }

  /** Asserts that bytes are in the host's memory: a driver that took a wrong frame from somewhere must not go on. */
  #expectBytes(frame: FrameNumber, offset: number, length: ByteCount): void {
    const room = (this.memories.host.pages - frame) * PAGE_BYTES;
    if (
      frame >= 0 &&
      Number.isInteger(frame) &&
      offset >= 0 &&
      Number.isInteger(offset) &&
      offset + length <= room
    )
      return;
    throw new Error(`${length} bytes from byte ${offset} of frame ${frame} are not all in the host's memory`);
  }

  /** The memory of a device frame. Throws ENODEV when it is gone. */
  present(frame: FrameNumber): DeviceMemory {
    const memory = this.memories.deviceOf(frame);
    if (memory !== null && !memory.gone) return memory;
    throw new HmsError(
      "DEVICE_GONE",
      "ENODEV",
      `Reaching frame ${frame} failed: ${memory === null ? "no memory has it" : `${memory.name} is gone`}.`,
    );
  }

  /** The kind of entry that maps a frame when nothing special is going on. */
  kindOf(frame: FrameNumber): number {
    if (frame < FIRST_DEVICE_FRAME) return HOST;
    return this.memories.deviceOf(frame)?.kind === "coherent" ? COHERENT : PRIVATE;
  }

  /** What an entry referred to is not referred to by it any more. */
  release(flags: number, frame: FrameNumber): void {
    const kind = flags & KIND;
    if (kind === EMPTY || kind === LOST || (flags & ZERO) !== 0) return;
    if (kind === SWAP) this.host.releaseSwap(frame);
    else this.put(frame);
  }

  /** Gives a frame back to its owner if nothing refers to it. */
  put(frame: FrameNumber): void {
    if (frame < FIRST_DEVICE_FRAME) {
      if (this.memories.host.unused(frame)) this.host.release(frame);
      return;
    }
    const memory = this.memories.deviceOf(frame);
    if (memory?.frames.unused(frame - memory.base)) memory.freed(frame - memory.base);
  }

  /**
   * A CPU needs a page that private device memory holds: brings it home through its driver. OK: look again; EAGAIN:
   * something is under way with it; ENOMEM: no host memory; EIO: it cannot be had (the driver failed or refuses, the
   * page is lost). With `around`, pages near it that are in the same memory come with it, as far as they can.
   */
  bringHome(space: Space, page: PageIndex, cause: Cause, around: Surroundings | null = null): Errno {
    return bringHome(this, space, page, cause, around);
  }

  /** A CPU needs a page that a device has for itself. OK: look again; EAGAIN: the device holds it right now. */
  restoreExclusive(space: Space, page: PageIndex, cause: Cause): Errno {
    return restoreExclusive(space, page, cause);
  }

  /**
   * Pins a page as get_user_pages does: faults it in, writable if asked. Private device pages come home; a long-term
   * pin also brings coherent ones home. The answer has the frame, or the errno: EINVAL (no page), EFAULT, ENOMEM, EAGAIN,
   * EBUSY (a coherent page that cannot come home), EOPNOTSUPP (long-term, of a DAX file).
   */
  pin(space: Space, page: PageIndex, options: { write: boolean; long: boolean }): Pinned {
    return pin(space, page, options);
  }

  /** Gives a pin back. */
  unpin(frame: FrameNumber): void {
    const table = this.memories.tableOf(frame);
    table.unpin(frame - table.base);
    this.put(frame);
  }

  /**
   * Moves pages of a range to a memory, best effort, and reports page by page what did not move and why. The drivers
   * involved are asked first (`decide`). Throws EINVAL for a range that is none, ESRCH when the space is closed, ENODEV
   * when the destination is gone.
   */
  migrate(request: MigrateRequest): MoveReport {
    return migrate(this, request);
  }

  /** Where each page of a range is, since when and why, in runs of pages alike. */
  explain(space: Space, first: PageIndex, count: PageCount): Explanation[] {
    return explain(this, space, first, count);
  }

  /** A migration of the core's own, to be given back. */
  borrowMigration(): Migration {
    return this.#migrations.pop() ?? new Migration(this, null, HUGE_PAGES);
  }

  returnMigration(migration: Migration): void {
    this.#migrations.push(migration);
  }
}
