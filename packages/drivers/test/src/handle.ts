import {
  type Address,
  type Device,
  type DeviceMemory,
  DeviceTable,
  EINVAL,
  type FaultRange,
  type Invalidation,
  MAY_READ,
  MAY_WRITE,
  type Migration,
  type Mirror,
  type MirrorOps,
  NO_FRAME,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  type Space,
  WRITABLE,
} from "@hms/hmm";
import { type Commanded, Commands } from "./commands.ts";
import type { TestDevice } from "./device.ts";
import { COMMANDS, type CommandName, type CommandRequest, type CommandResult } from "./face.ts";

const INVALID: CommandResult = Object.freeze({ errno: EINVAL, pages: 0, faults: 0 });

/** An open test device: its view of one space, and the nine commands. */
export class TestHandle implements MirrorOps, Disposable {
  readonly device: TestDevice;
  readonly space: Space;
  readonly mirror: Mirror;
  readonly table: DeviceTable = new DeviceTable();
  /** Refuse every invalidation that may be refused. */
  refuseNonBlocking = false;
  /** Called for each invalidation before it is obeyed; for tests. */
  onInvalidate: ((event: Invalidation) => void) | null = null;
  readonly #commands: Commands;

  /** `TestDevice.open` makes them. */
  constructor(device: TestDevice, space: Space) {
    this.device = device;
    this.space = space;
    this.mirror = device.device.mirror(space, this);
    this.#commands = new Commands(new View(this));
  }

  /** Runs one command as the kernel's driver does; never throws for what a program can get wrong. */
  command(request: CommandRequest): CommandResult {
    if (!COMMANDS.includes(request.command)) return INVALID;
    if (request.command === "release" || request.command === "fail-next-allocation")
      return this.run(request.command);
    const address: Address = request.address ?? 0n;
    if (typeof address !== "bigint" || address < 0n || address % BigInt(PAGE_BYTES) !== 0n) return INVALID;
    return this.run(
      request.command,
      Number(address / BigInt(PAGE_BYTES)),
      request.pages ?? 0,
      request.buffer,
    );
  }

  /** As `command`, by page number. Without a buffer nothing is copied out, but everything else is done. */
  run(command: CommandName, first: PageIndex = 0, count: PageCount = 0, buffer?: Uint8Array): CommandResult {
    return this.#commands.run(command, first, count, buffer);
  }

  /** Puts the pages that moved into the device's table. */
  mapMoved(migration: Migration): void {
    this.#commands.mapMoved(migration);
  }

  // What the core asks of the driver.

  invalidate(event: Invalidation): boolean {
    if (!event.blocking && this.refuseNonBlocking) return false;
    if (this.onInvalidate !== null) this.onInvalidate(event);
    // In a migration of its own the device keeps what does not move; `#dropMoving` takes what does.
    const own = event.owner === this.device.device && this.#commands.migrating;
    if (event.reason === "migrate" && own) return true;
    // The kernel's driver also drops the page behind the range (its loop includes the end). So does this one: more
    // is dropped than need be, and the counts of faults agree.
    this.table.clear(event.first, event.reason === "migrate" ? event.end : event.end + 1);
    return true;
  }

  map(range: FaultRange): void {
    for (let i = 0; i < range.count; i++) {
      const frame = range.frameOf(i);
      // A page that was only asked about need not be there.
      if (frame === NO_FRAME) continue;
      const right = ((range.results[i] ?? 0) & WRITABLE) === 0 ? MAY_READ : MAY_WRITE;
      this.table.set(range.first + i, frame, right);
    }
  }

  /** Ends the mirror and moves home everything that is in the device's memory, everyone's. */
  close(): void {
    if (!this.device.handles.delete(this)) return;
    this.mirror.close();
    this.table.clear(0, Number.MAX_SAFE_INTEGER);
    this.device.evictAll();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A handle as the commands see it. */
class View implements Commanded {
  readonly device: Device;
  readonly memory: DeviceMemory;
  readonly mirror: Mirror;
  readonly table: DeviceTable;
  readonly #inject: TestDevice["inject"];

  constructor(handle: TestHandle) {
    this.device = handle.device.device;
    this.memory = handle.device.memory;
    this.mirror = handle.mirror;
    this.table = handle.table;
    this.#inject = handle.device.inject;
  }

  failNextAllocation(): void {
    this.#inject.failAllocation = true;
  }
}
