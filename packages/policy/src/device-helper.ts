import { type ErrnoName, HmsError } from "@hms/topology";
import type { PlacementReport } from "./report.ts";
import { type PageRange, PolicyStore } from "./store/policy-store.ts";
import { PAGE_BYTES, PAGE_LIMIT, type PageCount, type PageIndex } from "./units.ts";

/** Moves pages once; what is recorded stays. */
export const DEVICE_MIGRATE = 0;
/** Records where pages of a range should be when the device uses them; those that are there are not moved. */
export const DEVICE_BIND = 1;
/** Drops what was recorded. */
export const DEVICE_DEFAULT = 2;

/** The targets that a single device knows: its own memory, and the host's. */
export const DEVICE_MEMORY = 0x8000_0000;
export const HOST_MEMORY = 0;

/** Commands of one call. */
export const DEVICE_COMMANDS_MAX = 1024;

/** One command, as a driver gets it from a program: nothing in it has been looked at. */
export interface DeviceCommand {
  /** 8 bits command, 8 bits priority, 32 bits target, from the lowest on; the highest 16 are 0. */
  readonly header: bigint;
  /** The first byte's address; rounded down to a page. */
  readonly start: bigint;
  /** The address after the last byte; rounded up to a page. */
  readonly end: bigint;
  /** Pages from `start` to `end`, so rounded. */
  readonly pages: PageCount;
  /** These are 0. */
  readonly stride: number;
  readonly reserved: readonly [number, number];
}

/** What the driver does for the helper: it knows where pages are. */
export interface DeviceMover {
  /** Whether the device can use a program's own memory at all. */
  readonly sharing: boolean;
  /**
   * Moves the pages of a range to the device's memory or home, as many as can be, and says what became of each: holes in
   * the range are refused pages too.
   *
   * @throws HmsError when it could not begin
   */
  move(range: PageRange, to: "device" | "host"): PlacementReport;
}

/** What became of one command; a list of its own, not written over the input. */
export type DeviceResult =
  | { readonly state: "done"; readonly report: PlacementReport | null }
  | { readonly state: "failed"; readonly error: HmsError }
  /** One before it failed. */
  | { readonly state: "left out" };

interface Read {
  readonly command: typeof DEVICE_MIGRATE | typeof DEVICE_BIND | typeof DEVICE_DEFAULT;
  readonly to: "device" | "host";
  readonly range: PageRange;
}

/**
 * Binding and migrating for a driver of a single device, on the space of its own queue: for programs that talk to the
 * driver and not to hms. It validates strictly, all commands before the first takes effect, keeps what was bound, and
 * tells what really happened. The driver moves the pages.
 *
 * @example
 * ```ts
 * import { DEVICE_BIND, DEVICE_MEMORY, DeviceHelper, ReportBuilder } from "@hms/policy";
 * const helper = new DeviceHelper({
 *   sharing: true,
 *   move: (range) => new ReportBuilder("preferred", range.count).placed("device", range.count).done(),
 * });
 * helper.init({ first: 0, count: 16 });
 * const header = BigInt(DEVICE_BIND) | (BigInt(DEVICE_MEMORY) << 16n);
 * helper.run([{ header, start: 0x100000n, end: 0x102000n, pages: 2, stride: 0, reserved: [0, 0] }]);
 * helper.wanted(0x101); // "device"
 * ```
 */
export class DeviceHelper {
  readonly #mover: DeviceMover;
  readonly #policies = new PolicyStore<"device" | "host">();
  #unmanaged: PageRange | null = null;
  #open = false;

  constructor(mover: DeviceMover) {
    this.#mover = mover;
  }

  /**
   * Begins sharing the space, but for a range that the driver manages itself.
   *
   * @param unmanaged null: none
   * @throws HmsError DEVICE_NO_SHARING (ENOSYS), DEVICE_SHARES (EBUSY): it was begun before; RANGE_INVALID (EINVAL)
   */
  init(unmanaged: PageRange | null): void {
    if (!this.#mover.sharing) {
      throw new HmsError(
        "DEVICE_NO_SHARING",
        "ENOSYS",
        "Share a space with the device: it cannot use a program's own memory; copy what it needs",
      );
    }
    if (this.#open) {
      throw new HmsError(
        "DEVICE_SHARES",
        "EBUSY",
        "Share a space with the device: it was done before; once is enough",
      );
    }
    if (unmanaged !== null) this.#policies.delete(unmanaged);
    this.#unmanaged = unmanaged;
    this.#open = true;
  }

  /** Where a page should be when the device uses it; null: nothing was said. */
  wanted(page: PageIndex): "device" | "host" | null {
    return this.#policies.own(page);
  }

  /** The program unmapped a range: what was recorded of it goes. */
  unmapped(range: PageRange): void {
    const { first, count } = range;
    try {
      this.#policies.delete(range);
    } catch (error) {
      if (!HmsError.is(error) || error.errno !== "ENOSPC") throw error;
      // Full: there is no room for a hole. What is gone must not stay, so that more goes, up to the end of the record.
      this.#policies.delete({ first, count: this.#policies.endOf(first + count - 1) - first });
    }
  }

  /** The program moved a range: what was recorded goes with it. */
  moved(range: PageRange, to: PageIndex): void {
    this.#policies.move(range, to);
  }

  /**
   * Carries commands out in their order, as far as the first that fails.
   *
   * @returns for each command what became of it; its report is null where nothing was to be moved
   * @throws HmsError DEVICE_COMMAND_INVALID (EINVAL) for the first that is not in order: nothing is done then
   */
  run(commands: readonly DeviceCommand[]): DeviceResult[] {
    if (commands.length === 0 || commands.length > DEVICE_COMMANDS_MAX) {
      throw invalid(
        `from 1 to ${DEVICE_COMMANDS_MAX} commands are required, but there are ${commands.length}`,
      );
    }
    if (!this.#open) throw invalid("the space is not shared with the device yet; that is to be begun first");
    const all = commands.map((one, i) =>
      this.#read(one, commands.length === 1 ? "" : `command ${i + 1} of ${commands.length}: `),
    );
    const results: DeviceResult[] = [];
    for (const one of all) {
      if (results.at(-1)?.state === "failed" || results.at(-1)?.state === "left out") {
        results.push({ state: "left out" });
        continue;
      }
      try {
        results.push({ state: "done", report: this.#carryOut(one) });
      } catch (error) {
        if (!HmsError.is(error)) throw error;
        results.push({ state: "failed", error });
      }
    }
    return results;
  }

  #carryOut({ command, to, range }: Read): PlacementReport | null {
    switch (command) {
      case DEVICE_MIGRATE:
        return this.#mover.move(range, to);
      case DEVICE_BIND:
        this.#policies.set(range, to);
        return null;
      case DEVICE_DEFAULT:
        this.#policies.delete(range);
        return null;
    }
  }

  #read({ header, start, end, pages, stride, reserved }: DeviceCommand, which: string): Read {
    const fail = (what: string): HmsError => invalid(`${which}${what}`);
    if (typeof header !== "bigint" || typeof start !== "bigint" || typeof end !== "bigint") {
      throw fail("header, start and end must be 64-bit integers (bigint)");
    }
    if (header < 0n || header >> 48n !== 0n) {
      throw fail(`the bits of the header from 48 on must be 0, but it is 0x${header.toString(16)}`);
    }
    const command = Number(header & 0xffn);
    if (command !== DEVICE_MIGRATE && command !== DEVICE_BIND && command !== DEVICE_DEFAULT) {
      throw fail(`there is no command ${command}; there are 0 (migrate), 1 (bind) and 2 (default)`);
    }
    const target = Number((header >> 16n) & 0xffff_ffffn);
    if (target !== DEVICE_MEMORY && target !== HOST_MEMORY) {
      throw fail(
        `there is no target 0x${target.toString(16)}; there are 0x80000000 (the device's memory) and 0 (the host's)`,
      );
    }
    if (stride !== 0 || reserved[0] !== 0 || reserved[1] !== 0) {
      throw fail(
        `stride and what is reserved must be 0, but are ${stride} and ${reserved[0]}, ${reserved[1]}`,
      );
    }
    return {
      command,
      to: target === DEVICE_MEMORY ? "device" : "host",
      range: this.#range({ start, end, pages }, fail),
    };
  }

  #range(
    { start, end, pages }: Pick<DeviceCommand, "start" | "end" | "pages">,
    fail: (what: string) => HmsError,
  ): PageRange {
    const span = `0x${start.toString(16)} to 0x${end.toString(16)}`;
    const bytes = BigInt(PAGE_BYTES);
    if (start < 0n || end <= start || end > BigInt(PAGE_LIMIT) * bytes) {
      throw fail(`the range must have at least one byte and end by 2^48, but is ${span}`);
    }
    const first = Number(start / bytes);
    const count = Number((end + bytes - 1n) / bytes) - first;
    if (pages !== count) throw fail(`the range ${span} is of ${count} pages, but ${pages} are said`);
    const kept = this.#unmanaged;
    if (kept !== null && first < kept.first + kept.count && first + count > kept.first) {
      throw fail(
        `the range ${span} is partly in what the driver manages itself: ${kept.count} pages from page 0x${kept.first.toString(16)} on`,
      );
    }
    return { first, count };
  }
}

function invalid(what: string): HmsError {
  return new HmsError("DEVICE_COMMAND_INVALID", "EINVAL" satisfies ErrnoName, `Bind for a device: ${what}`);
}
