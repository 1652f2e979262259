import { statSync } from "node:fs";
import { resolve } from "node:path";
import type { TypedArray } from "@hms/driver-accel";
import type { PlacementReport, PlacementRequest } from "@hms/policy";
import { HmsError } from "@hms/topology";
import type { Answered, CoreRegistry, Handle, Input } from "@hms/uabi";
import { type ArrayType, elementName } from "./arrays.ts";
import { badFile, expectFileOffset } from "./bad-file.ts";
import { expectIn, expectRegion, expectSlice } from "./expect-region.ts";
import type { Explanation, Kept, MoveReport, Residency } from "./explain.ts";
import { explanationsOf, residencyOf } from "./explain.ts";
import { labelOf } from "./label.ts";
import { closed, type Link, otherHms } from "./link.ts";
import {
  expectOptions,
  expectText,
  expectWord,
  type Known,
  kindOf,
  NAME_BYTES,
  PATH_BYTES,
} from "./options.ts";
import {
  asShorthand,
  type Bind,
  type BindOptions,
  bindSlice,
  commandOf,
  dropping,
  moveOnce,
  onlyOf,
  type Placement,
  place,
  placementOf,
  type Share,
  withReport,
} from "./placement.ts";
import { type RegionKind, Shared, type Slice } from "./region.ts";

const PAGE = 4096;
const READ = 1;
const WRITE = 2;
const DUPLICATE = 1;
/** The largest region: bytes. */
const BYTES_MAX = 2 ** 47;

/** Any region or slice. */
export type AnySlice = Slice<TypedArray>;
type AnyShared = Shared<TypedArray>;

/** How a region is made. */
export interface AllocOptions {
  /** What reports and `/proc/self/maps` call it; cut to 256 bytes. Default: `region` and a number. */
  readonly name?: string;
  /** `private` (default), or `shared`: pages that the CPU and devices use in place, in the host's memory. */
  readonly kind?: "private" | "shared";
  /** Pages of 2 MiB: `true` wherever they fit, `false` nowhere; where they help without it. */
  readonly huge?: boolean;
  /** Where its pages should be: the name of a target, or a request. See `Space.bind`. */
  readonly bind?: Bind;
}

/** How a file becomes a region. */
export interface FileOptions {
  /** What reports call it; cut to 256 bytes. Default: `region` and a number. */
  readonly name?: string;
  /**
   * What is written goes to the file; it grows to `length`, and is made if it is not there. Default false: a write on
   * the CPU ends the process (SIGSEGV), as to any memory that is read-only, and a kernel's fails its request.
   */
  readonly writable?: boolean;
  /** The memory may be written, and the file stays as it is. Default false. */
  readonly private?: boolean;
  /** Where in the file it begins, in bytes: a multiple of 4096. Default 0. */
  readonly offset?: number;
  /** Elements; default: as many as the file has from the offset on. */
  readonly length?: number;
  /** Where its pages should be: `host`, `file`, a node, or a request. See `Space.bind`. */
  readonly bind?: Bind;
}

const ALLOC: Known<AllocOptions> = {
  name: "text",
  kind: ["private", "shared"],
  huge: "boolean",
  bind: "any",
};
const FILE: Known<FileOptions> = {
  name: "text",
  writable: "boolean",
  private: "boolean",
  offset: "number",
  length: "number",
  bind: "any",
};
const MIGRATE: Known<{ readonly duplicate?: boolean; readonly dryRun?: boolean }> = {
  duplicate: "boolean",
  dryRun: "boolean",
};
const EXPLAIN: Known<{ readonly nodes?: boolean }> = { nodes: "boolean" };

/** How pages of a range will be used. */
export type Advice = Input<CoreRegistry, "space", "advise">["advice"];

const ADVICE: readonly Advice[] = ["normal", "sequential", "random", "read-mostly", "cold"];

/** What a space holds now. */
export interface SpaceStatistics {
  readonly regions: number;
  /** Sizes of all regions together. */
  readonly mappedBytes: number;
  /** In the host's memory. */
  readonly residentBytes: number;
  /** In memories of devices. */
  readonly deviceBytes: number;
  /** On disk. */
  readonly swappedBytes: number;
}

/** What a space is made of. */
export interface SpaceInit {
  readonly link: Link;
  readonly context: Handle<"context">;
  readonly handle: Handle<"space">;
  /** Told when a file is made a region that can be written. */
  readonly onWritableFile: () => void;
}

/**
 * An address space: regions that the CPU and devices see at the same addresses. A queue of a device reaches one space.
 *
 * @example
 * ```ts
 * import { open } from "hms";
 * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
 * const x = hms.space.alloc(Float32Array, 1 << 20, { name: "x" });
 * x.view.fill(1);
 * await hms.space.migrate(x, "accel0");
 * console.log(hms.space.explain(x).map(({ place, cause, bytes }) => `${place} ${cause} ${bytes}`)); // [ 'accel0 memory migrate 4194304' ]
 * ```
 */
export class Space implements Disposable {
  /** How the interface names it. */
  readonly handle: Handle<"space">;
  readonly #link: Link;
  readonly #context: Handle<"context">;
  readonly #regions = new Set<AnyShared>();
  readonly #onWritableFile: () => void;
  #gone = false;

  /** `Hms.createSpace` makes them. */
  constructor(init: SpaceInit) {
    this.#link = init.link;
    this.#context = init.context;
    this.handle = init.handle;
    this.#onWritableFile = init.onWritableFile;
  }

  /** Its regions that this thread made, or attached. */
  get regions(): ReadonlySet<Shared<TypedArray>> {
    return this.#regions;
  }

  /**
   * Makes a region of `length` zeros. It takes memory as it is touched, may be larger than the memory of the machine,
   * and stays until it is freed or hms is closed. Throws BAD_LENGTH, BAD_OPTION
   * (EINVAL), ENOMEM when there are no addresses left.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB" });
   * // Far larger than what may be resident.
   * const x = hms.space.alloc(Uint8Array, 5 * 2 ** 30);
   * x.view[x.length - 1] = 1;
   * console.log(x.view[0], x.view.at(-1)); // 0 1
   * ```
   */
  alloc<T extends TypedArray>(type: ArrayType<T>, length: number, options: AllocOptions = {}): Shared<T> {
    elementName(type);
    expectOptions("Making a region", options, ALLOC);
    const bytes = bytesOf("Making a region", type, length);
    const { kind = "private", huge } = options;
    return this.#create(type, length, kind, options, {
      kind: kind === "shared" ? "shared" : "anonymous",
      bytes,
      huge: huge === undefined ? "auto" : huge ? "always" : "never",
    });
  }

  /**
   * Makes a file a region: its pages are read as they are touched. A part of a file can have one writable region, in
   * this process or another. Without `writable` and `private`, writing to the view ends the process (SIGSEGV). Throws
   * BAD_FILE (ENOENT, EACCES, EFBIG, …), EMPTY_FILE, BAD_LENGTH and BAD_FILE_OFFSET (EINVAL), FILE_IN_USE (EBUSY); a
   * file that was made for it is taken away again then.
   *
   * @example
   * ```ts
   * import { writeFileSync } from "node:fs";
   * import { open } from "hms";
   * writeFileSync("squares.bin", Float64Array.from({ length: 1000 }, (_, i) => i * i));
   * using hms = await open({ ram: "64MiB" });
   * const squares = hms.space.file("squares.bin", Float64Array);
   * console.log(squares.length, squares.view[31]); // 1000 961
   * ```
   */
  file<T extends TypedArray>(path: string, type: ArrayType<T>, options: FileOptions = {}): Shared<T> {
    elementName(type);
    expectOptions("Making a region of a file", options, FILE);
    const whole = pathOf(path);
    const { writable = false, offset = 0, length } = options;
    expectFileOffset(whole, offset);
    const copy = options.private === true;
    const elements = length ?? this.#elementsOf(whole, type, offset);
    const bytes = bytesOf(`Making a region of ${whole}`, type, elements);
    const region = this.#create(type, elements, copy ? "copy" : "file", options, {
      kind: copy ? "copy" : "file",
      path: whole,
      offset,
      bytes,
      protection: writable || copy ? READ | WRITE : READ,
    });
    if (writable && !copy) this.#onWritableFile();
    return region;
  }

  #elementsOf(path: string, type: ArrayType, offset: number): number {
    const bytes = fileBytes(path) - offset;
    const elements = Math.floor(bytes / type.BYTES_PER_ELEMENT);
    if (elements >= 1) return elements;
    throw new HmsError(
      "EMPTY_FILE",
      "EINVAL",
      `Making a region of ${path} failed: it has no whole element of ${type.BYTES_PER_ELEMENT} bytes from byte ${offset} on. Say its length, or where it begins.`,
    );
  }

  #create<T extends TypedArray>(
    type: ArrayType<T>,
    length: number,
    kind: RegionKind,
    { name, bind }: { readonly name?: string; readonly bind?: Bind },
    input: Omit<Input<CoreRegistry, "region", "create">, "space">,
  ): Shared<T> {
    this.#expectOpen("Making a region");
    const label = labelOf(name ?? "");
    // A file may be made or grow: so what is wrong with the request is found before.
    if (bind !== undefined) commandOf(null, bind);
    if (bind !== undefined && input.path !== undefined)
      asShorthand(bind, () => place(this.#link, this.handle, [commandOf(null, bind)], { dryRun: true }));
    const made = withReport(() =>
      this.#link.sync.region.create({
        space: this.handle,
        ...input,
        ...(label === "" ? {} : { label }),
      }),
    );
    const region = this.#adopt(type, length, kind, label === "" ? `region ${made.region}` : label, made);
    try {
      if (bind !== undefined) this.bind(region, bind);
      return region;
    } catch (error) {
      region.free();
      throw error;
    }
  }

  #adopt<T extends TypedArray>(
    type: ArrayType<T>,
    length: number,
    kind: RegionKind,
    name: string,
    made: { readonly region: Handle<"region">; readonly address: number },
  ): Shared<T> {
    const region: Shared<T> = new Shared<T>({
      link: this.#link,
      context: this.#context,
      space: this.handle,
      handle: made.region,
      type,
      length,
      address: made.address,
      kind,
      name,
      attached: false,
      onFree: () => this.#regions.delete(region),
    });
    this.#regions.add(region);
    return region;
  }

  /**
   * A new region with what a region holds now: what is written to either later does not show in the other. Nobody can
   * write while it is made; of `shared` and `file` regions, that is only so for each page. Throws PAGES_LOST (EIO), and
   * OTHER_SPACE (EINVAL) for a region of another space or hms, as all that asks for a region or a slice here.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB" });
   * const x = hms.space.alloc(Int32Array, 1000);
   * x.view[5] = 1;
   * const before = hms.space.snapshot(x);
   * x.view[5] = 2;
   * console.log(before.view[5], x.view[5]); // 1 2
   * ```
   */
  snapshot<T extends TypedArray>(region: Shared<T>): Shared<T> {
    expectRegion("Making a snapshot", region);
    this.#expectMine("Making a snapshot of", region);
    const { snapshot, address } = this.#link.sync.region.snapshot({ region: region.id });
    const kind = region.kind === "copy" ? "copy" : "private";
    return this.#adopt(region.type, region.length, kind, labelOf(region.name, " snapshot"), {
      region: snapshot,
      address,
    });
  }

  /**
   * Says where each page is, since when, and why, in runs of pages alike; also which policy it is under. With `nodes`
   * it says on which node of the machine those in the host's memory are, for which the kernel is asked.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB" });
   * const x = hms.space.alloc(Uint8Array, 8192);
   * x.view[0] = 1;
   * const [run] = hms.space.explain(x);
   * console.log(run?.place, run?.state); // host mapped
   * ```
   */
  explain(of: AnySlice, options: { readonly nodes?: boolean } = {}): Explanation[] {
    expectSlice("Explaining", of);
    expectOptions("Explaining", options, EXPLAIN);
    this.#expectMine("Explaining", of);
    const runs: Answered<CoreRegistry, "space", "explain">["runs"][number][] = [];
    const range = of.pages;
    const end = range.first + range.count;
    for (let first = range.first; first < end; ) {
      const answer = this.#link.sync.space.explain({
        space: this.handle,
        range: { first, count: end - first },
        limit: 1024,
        ...(options.nodes === true ? { nodes: true } : {}),
      });
      runs.push(...answer.runs);
      if (answer.next === undefined) break;
      first = answer.next;
    }
    return explanationsOf(runs, of.region.address, (ns) => this.#link.time(ns));
  }

  /**
   * Says where the pages are, without saying why: the map that reports draw. Cheaper than `explain`.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB" });
   * const x = hms.space.alloc(Uint8Array, 1 << 20);
   * console.log(hms.space.residency(x)); // [ { offset: 0, bytes: 1048576, place: 'nowhere', state: 'empty' } ]
   * ```
   */
  residency(of: AnySlice): Residency[] {
    expectSlice("Looking at", of);
    this.#expectMine("Looking at", of);
    const found: Residency[] = [];
    const range = of.pages;
    const end = range.first + range.count;
    for (let first = range.first; first < end; ) {
      const answer = this.#link.sync.region.residency({
        region: of.region.id,
        range: { first, count: end - first },
        limit: 65536,
      });
      found.push(...residencyOf(answer, of.region.address));
      if (answer.next === undefined) break;
      first = answer.next;
    }
    return found;
  }

  /**
   * Moves pages to a memory, now: the name of a device, or `host`. Best effort: the report says which stayed, and why.
   * With `duplicate` they stay where they are, and the device gets read-only duplicates. Rejects with NO_SUCH_TARGET
   * (ENOENT).
   *
   * With a request, they move to its targets as far as there is room, nothing has to leave for them, and policies stay
   * as they are. Rejects as `bind` throws.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=1MiB"] });
   * const x = hms.space.alloc(Uint8Array, 65536);
   * x.view.fill(1);
   * const { movedBytes, kept } = await hms.space.migrate(x, "accel0");
   * console.log(movedBytes, kept); // 65536 []
   * const { targets } = await hms.space.migrate(x, { targets: ["host"] });
   * console.log(targets); // [ { target: 'host', wanted: 16, placed: 16, moved: 16 } ]
   * ```
   */
  async migrate(
    of: AnySlice,
    target: string,
    options?: { readonly duplicate?: boolean },
  ): Promise<MoveReport>;
  async migrate(of: AnySlice, request: PlacementRequest, options?: BindOptions): Promise<PlacementReport>;
  async migrate(
    of: AnySlice,
    target: Bind,
    options: { readonly duplicate?: boolean; readonly dryRun?: boolean } = {},
  ): Promise<MoveReport | PlacementReport> {
    expectSlice("Migrating", of);
    expectOptions("Migrating", options, MIGRATE);
    this.#expectMine("Migrating", of);
    const range = of.pages;
    if (typeof target !== "string")
      return moveOnce(this.#link, this.handle, commandOf(range, target), options);
    expectText("Migrating", "its target", target, NAME_BYTES);
    if (range.count === 0) return { movedBytes: 0, keptBytes: 0, kept: [] };
    const { moved, left, kept } = await this.#link.async.space.migrate({
      space: this.handle,
      range,
      target,
      ...(options.duplicate === true ? { flags: DUPLICATE } : {}),
    });
    const base = of.region.address / PAGE;
    const runs = kept.map(
      ({ first, count, reason }): Kept => ({
        offset: (first - base) * PAGE,
        bytes: count * PAGE,
        reason,
      }),
    );
    return { movedBytes: moved * PAGE, keptBytes: left * PAGE, kept: runs };
  }

  /**
   * Brings pages to a memory ahead of their use, as far as there is room: nothing has to leave for them. Returns bytes
   * that moved. Rejects with NO_SUCH_TARGET (ENOENT).
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=1MiB"] });
   * const x = hms.space.alloc(Uint8Array, 65536);
   * x.view.fill(1);
   * console.log(await hms.space.prefetch(x, "accel0")); // 65536
   * ```
   */
  async prefetch(of: AnySlice, target: string): Promise<number> {
    expectSlice("Prefetching", of);
    this.#expectMine("Prefetching", of);
    expectText("Prefetching", "its target", target, NAME_BYTES);
    const range = of.pages;
    if (range.count === 0) return 0;
    const { moved } = await this.#link.async.space.prefetch({ space: this.handle, range, target });
    return moved * PAGE;
  }

  /**
   * Says how pages will be used: `sequential`, `random`, `read-mostly` (devices duplicate instead of moving), `cold`
   * (the first to go to disk), `normal` (takes it back). Changes speed only. All but `cold` need a whole region: else
   * PART_OF_A_REGION (EOPNOTSUPP). Throws BAD_OPTION (EINVAL) for another word.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB" });
   * const x = hms.space.alloc(Uint8Array, 65536);
   * hms.space.advise(x, "sequential");
   * ```
   */
  advise(of: AnySlice, advice: Advice): void {
    expectSlice("Advising", of);
    expectWord("Advising", "advice", advice, ADVICE);
    this.#expectMine("Advising", of);
    const range = of.pages;
    if (range.count > 0) this.#link.sync.space.advise({ space: this.handle, range, advice });
  }

  /**
   * Binds a region, or a part of one: records where its pages should be. `request` names what will use them (`for`:
   * the best memory for all of these is found), targets in order, or both; or it is the name of one target: `host`
   * (devices use the pages there, in place), a device (all that it touches moves to its memory), `node2` (a node of the
   * machine), `file` (what is not in use stays in its file). `null` takes it back.
   *
   * Pages are made there, and devices bring there what they touch. Those that are elsewhere already stay there, unless
   * the request says `migrate`; then the thread waits until they have moved. With the mode `strict` the listed targets
   * are all that there is: if there is no room for the pages (for `size` bytes, or without it for all of the range), or
   * if some will not move, it throws, and everything is as it was. The report says where pages are now, what was refused
   * and by whom; `placement` says it again later. With `dryRun` nothing is done, and it says what would be. For a slice
   * without elements nothing is done either, and the report is of 0 pages.
   *
   * Throws what is wrong with the request (EINVAL), TARGET_UNKNOWN and INITIATOR_UNKNOWN (ENOENT), for the name of one
   * target NO_SUCH_TARGET; NO_FILE (EINVAL); PLACEMENT_REFUSED, a `PlacementError` that carries the report.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=1MiB"] });
   * const x = hms.space.alloc(Float32Array, 1 << 16);
   * hms.space.bind(x, "host");
   * await hms.device("accel0").queue().run(({ x }, { first, end }) => {
   *   for (let i = first; i < end; i++) x[i] = i;
   * }, { x: x.write() });
   * console.log(hms.space.explain(x)[0]?.place); // host
   * const report = hms.space.bind(x, { targets: ["accel0", "host"], migrate: true });
   * console.log(report.targets[0]); // { target: 'accel0 memory', wanted: 64, placed: 64, moved: 64 }
   * ```
   */
  bind(of: AnySlice, request: Bind | null, options: BindOptions = {}): PlacementReport {
    expectSlice("Binding", of);
    this.#expectMine("Binding", of);
    return bindSlice(this.#link, this.handle, of.pages, request, options);
  }

  /**
   * Binds several regions or parts at once: all commands are looked at before any takes effect, and if a `strict` one
   * cannot be met none does. Commands take effect in order. Throws as `bind`; the error says which command it is about,
   * where slices without elements do not count.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=1MiB"] });
   * const x = hms.space.alloc(Float32Array, 1 << 16);
   * const y = hms.space.alloc(Float32Array, 1 << 16);
   * const reports = hms.space.bindAll([
   *   { of: x, request: { for: ["accel0"] } },
   *   { of: y, request: { targets: ["host"] } },
   * ]);
   * console.log(reports.map(({ targets }) => targets[0]?.target)); // [ 'accel0 memory', 'host' ]
   * ```
   */
  bindAll(
    commands: readonly { readonly of: AnySlice; readonly request: Bind | null }[],
    options: BindOptions = {},
  ): PlacementReport[] {
    this.#expectOpen("Binding");
    const said = commands.map(({ of, request }) => {
      expectSlice("Binding", of);
      this.#expectMine("Binding", of);
      return request === null ? dropping(of.pages) : commandOf(of.pages, request);
    });
    return place(this.#link, this.handle, said, options);
  }

  /**
   * Says where what is made in this space from now on should be; `null` takes it back. What there is stays as it is.
   * Throws as `bind`.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=1MiB"] });
   * hms.space.bindDefault({ targets: ["accel0", "host"] });
   * const x = hms.space.alloc(Float32Array, 1000);
   * console.log(hms.space.placement(x)[0]?.origin); // default
   * ```
   */
  bindDefault(request: Bind | null, options: BindOptions = {}): PlacementReport {
    this.#expectOpen("Binding");
    if (request === null) return onlyOf(place(this.#link, this.handle, [dropping(null)], options));
    return asShorthand(request, () =>
      onlyOf(place(this.#link, this.handle, [commandOf(null, request)], options)),
    );
  }

  /**
   * Says what a region, or a part of one, is bound to, part by part, with a report of where its pages are now, and what
   * the kernel made of it; without one, what `bindDefault` said. Nothing is listed for what is not bound.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=1MiB"] });
   * const x = hms.space.alloc(Uint8Array, 65536);
   * hms.space.bind(x.slice(0, 32768), { targets: ["accel0"] });
   * const [bound] = hms.space.placement(x);
   * console.log(bound?.bytes, bound?.choices[0]?.target, bound?.report?.pages); // 32768 accel0 memory 0
   * ```
   */
  placement(of?: AnySlice): Placement[] {
    this.#expectOpen("Looking at a placement");
    const time = (ns: number): number => this.#link.time(ns);
    if (of === undefined) {
      const { placements } = this.#link.sync.space.placement({ space: this.handle });
      return placements.map((one) => placementOf(one, 0, time));
    }
    expectSlice("Looking at a placement", of);
    this.#expectMine("Looking at the placement of", of);
    const found: Placement[] = [];
    const { first: begin, count } = of.pages;
    for (let first = begin; first < begin + count; ) {
      const range = { first, count: begin + count - first };
      const { placements, next } = this.#link.sync.space.placement({ space: this.handle, range, limit: 256 });
      found.push(...placements.map((one) => placementOf(one, of.region.address, time)));
      if (next === undefined) break;
      first = next;
    }
    return found;
  }

  /**
   * Its shares: how much of some targets it may have (`Hms.createSpace`), and has.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=1MiB"] });
   * using space = hms.createSpace({ shares: { accel0: "256KiB" } });
   * console.log(space.shares()[0]?.mostBytes, space.shares()[0]?.usedBytes); // 262144 0
   * ```
   */
  shares(): Share[] {
    this.#expectOpen("Looking at shares");
    const { shares } = this.#link.sync.space.shares({ space: this.handle });
    return shares.map(({ target, bytes, least, used }) => ({
      target,
      leastBytes: least ?? 0,
      mostBytes: bytes,
      usedBytes: used ?? 0,
    }));
  }

  /**
   * Changes what may be done with a region: reading only, or reading and writing. A write to memory that is read-only
   * ends the process (SIGSEGV), as with any memory; a kernel's fails its request. Throws READ_ONLY_FILE (EACCES).
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB" });
   * const x = hms.space.alloc(Float32Array, 1000);
   * x.view.fill(1);
   * hms.space.protect(x, "read");
   * console.log(x.view[5]); // 1
   * ```
   */
  protect(of: AnySlice, access: "read" | "update"): void {
    expectSlice("Protecting", of);
    expectWord("Protecting", "access", access, ["read", "update"]);
    this.#expectMine("Protecting", of);
    const range = of.pages;
    if (range.count === 0) return;
    this.#link.sync.region.protect({
      region: of.region.id,
      protection: access === "read" ? READ : READ | WRITE,
      range,
    });
  }

  /**
   * Counts of what it holds now.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * const x = hms.space.alloc(Uint8Array, 1 << 20);
   * x.view.fill(1);
   * console.log(hms.space.statistics().residentBytes); // 1048576
   * ```
   */
  statistics(): SpaceStatistics {
    this.#expectOpen("Counting");
    const { regions, mapped, resident, device, swapped } = this.#link.sync.space.statistics({
      space: this.handle,
    }).statistics;
    return {
      regions,
      mappedBytes: mapped * PAGE,
      residentBytes: resident * PAGE,
      deviceBytes: device * PAGE,
      swappedBytes: swapped * PAGE,
    };
  }

  /**
   * Frees its regions, and ends it. Throws SPACE_BUSY (EBUSY) while queues reach it. Again: does nothing. The default
   * space ends with hms.
   */
  close(): void {
    if (this.#gone) return;
    if (!this.#link.over) this.#link.sync.space.destroy({ space: this.handle });
    this.forget();
  }

  /** It is not there any more. */
  forget(): void {
    this.#gone = true;
    for (const region of [...this.#regions]) region.forget();
  }

  /** Throws OTHER_SPACE (EINVAL) unless it is of the hms that the connection leads to, SPACE_CLOSED (ENOENT). */
  expectOurs(action: string, link: Link): void {
    this.#expectOpen(action);
    if (!this.#link.leadsWhere(link)) throw otherHms(action);
  }

  /** Throws REGION_FREED (ENOENT), HMS_CLOSED (ENODEV), OTHER_SPACE (EINVAL). */
  #expectMine(action: string, of: AnySlice): void {
    expectIn(action, this.#link, this.handle, of);
  }

  #expectOpen(action: string): void {
    if (this.#link.over) throw closed(action);
    if (this.#gone) throw new HmsError("SPACE_CLOSED", "ENOENT", `${action} failed: the space is closed.`);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The size of so many elements. Throws BAD_LENGTH (EINVAL) for what is no number of elements, or too many. */
function bytesOf(action: string, type: ArrayType, length: number): number {
  const bytes = typeof length === "number" ? length * type.BYTES_PER_ELEMENT : Number.NaN;
  if (Number.isInteger(length) && length >= 1 && bytes <= BYTES_MAX) return bytes;
  throw new HmsError(
    "BAD_LENGTH",
    "EINVAL",
    `${action} failed: its length must be a whole number from 1 on and its size at most 2^47 bytes, not ${kindOf(length)} elements of ${type.BYTES_PER_ELEMENT} bytes.`,
  );
}

/** The path from the root. Throws BAD_FILE (EINVAL) for what can be none. */
function pathOf(path: unknown): string {
  if (typeof path === "string" && path !== "" && path.isWellFormed() && !path.includes("\0")) {
    const whole = resolve(path);
    if (Buffer.byteLength(whole) <= PATH_BYTES) return whole;
  }
  const expected =
    typeof path === "string" ? `text of 1 to ${PATH_BYTES} bytes without a zero character` : "text";
  throw new HmsError(
    "BAD_FILE",
    "EINVAL",
    `Making a region of a file failed: its path must be ${expected}, not ${kindOf(path)}.`,
  );
}

function fileBytes(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    throw badFile(path, error);
  }
}
