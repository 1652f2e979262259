import type { Interval } from "./interval-tree.ts";
import type { PageIndex } from "./units.ts";

/**
 * What a region's memory is:
 * - `anonymous`: memory that begins as zeros (shared anonymous memory is a `file` without a name);
 * - `file`: pages of a file in the host's page cache;
 * - `dax`: a file's storage itself: mirrored, never migrated;
 * - `hugetlb`: huge pages of the host's pool: mirrored, never migrated;
 * - `mixed`: pages that a driver of the host inserted: mirrored, never migrated;
 * - `io`: registers of a device: neither.
 */
export type RegionKind = "anonymous" | "file" | "dax" | "hugetlb" | "mixed" | "io";

/** Protection bits of a region. */
export const CAN_READ = 1;
export const CAN_WRITE = 2;

/** What a host says about a region when it maps one. */
export interface RegionOptions {
  readonly kind: RegionKind;
  /** `CAN_READ | CAN_WRITE`, or fewer. */
  readonly access: number;
  /** Writes are seen by others that map the same file. */
  readonly shared?: boolean;
  /** Of a shared region: nobody needs to know of the first write to a page, so that pages become writable with it. */
  readonly quiet?: boolean;
  /** Huge pages: wanted, not wanted, or whatever the host does by default. */
  readonly huge?: boolean | null;
  /** Map order of a `hugetlb` region's pages: 9 or 18. */
  readonly order?: number;
  /** What the host keeps behind the region, and the first page's place in it. */
  readonly backing?: object | null;
  readonly offset?: PageIndex;
}

let orders = 0;

/**
 * A range of a space with one set of properties (the kernel's VMA). Regions do not overlap; neighbours that could be
 * one are merged.
 */
export class Region implements Interval {
  readonly first: PageIndex;
  readonly end: PageIndex;
  readonly order: number = ++orders;
  readonly kind: RegionKind;
  readonly access: number;
  readonly shared: boolean;
  readonly quiet: boolean;
  readonly huge: boolean | null;
  /** Map order of the huge pages of a `hugetlb` region; 0 for others. */
  readonly hugeOrder: number;
  readonly backing: object | null;
  readonly offset: PageIndex;
  /** Private anonymous memory, huge pages of the pool apart: what can be migrated although nothing is there yet. */
  readonly anonymous: boolean;
  /** Writes to it are copied first: private memory of any kind. */
  readonly copyOnWrite: boolean;

  constructor(first: PageIndex, end: PageIndex, options: RegionOptions) {
    this.first = first;
    this.end = end;
    this.kind = options.kind;
    this.access = options.access;
    this.shared = options.shared ?? false;
    this.quiet = options.quiet ?? false;
    this.huge = options.huge ?? null;
    this.hugeOrder = options.kind === "hugetlb" ? (options.order ?? 9) : 0;
    this.backing = options.backing ?? null;
    this.offset = options.offset ?? 0;
    this.anonymous = this.kind === "anonymous" && !this.shared;
    this.copyOnWrite = !this.shared && this.kind !== "io";
  }

  get readable(): boolean {
    return (this.access & CAN_READ) !== 0;
  }

  get writable(): boolean {
    return (this.access & CAN_WRITE) !== 0;
  }

  /** Whether devices can see it at all: readable, with page structures behind it. */
  get mirrorable(): boolean {
    return (this.access & CAN_READ) !== 0 && this.kind !== "io";
  }

  /** Whether migration takes pages from here: not hugetlb, special or DAX. */
  get migratable(): boolean {
    return this.kind === "anonymous" || this.kind === "file";
  }

  /** The same region with other bounds, and perhaps other properties. */
  with(first: PageIndex, end: PageIndex, change: Partial<RegionOptions> = {}): Region {
    return new Region(first, end, {
      kind: this.kind,
      access: this.access,
      shared: this.shared,
      quiet: this.quiet,
      huge: this.huge,
      order: this.hugeOrder,
      backing: this.backing,
      offset: this.offset + (first - this.first),
      ...change,
    });
  }

  /** Whether `next`, which begins where this ends, could be the same region. */
  joins(next: Region): boolean {
    return (
      this.access === next.access &&
      this.quiet === next.quiet &&
      this.huge === next.huge &&
      this.goesOnIn(next)
    );
  }

  /** Whether `next` begins where this ends and shows what comes next of the same: all but rights and advice are alike. */
  goesOnIn(next: Region): boolean {
    return (
      this.end === next.first &&
      this.kind === next.kind &&
      this.shared === next.shared &&
      this.hugeOrder === next.hugeOrder &&
      this.backing === next.backing &&
      (this.backing === null || this.offset + (this.end - this.first) === next.offset)
    );
  }
}
