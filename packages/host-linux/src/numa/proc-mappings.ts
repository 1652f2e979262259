import { existsSync } from "node:fs";
import { FileSystems, type MappingKind, mappingKind } from "./proc-kinds.ts";
import { MapsReader } from "./proc-maps.ts";
import { NumaMapsReader, type PageCounts } from "./proc-numa-maps.ts";
import { SmapsReader } from "./proc-smaps.ts";

/** What is read of a process's mappings: each is a file that the kernel makes up when it is read. */
export interface MappingsOptions {
  /** Names and kinds (`maps`). Without them all memory that is a file's for the kernel counts as such. */
  readonly names: boolean;
  /** Pages by node, and the policy (`numa_maps`; of a kernel without NUMA `smaps`, all on node 0). */
  readonly nodes: boolean;
  /** What is swapped out and what is in huge pages, by mapping (`smaps`). */
  readonly details: boolean;
}

/** What all three files are: mappings by their first address. */
interface Source extends Disposable {
  readonly start: number;
  next(): boolean;
}

/** A source, and whether it stands at a mapping. */
class Cursor<S extends Source> {
  readonly source: S;
  #there = false;

  constructor(source: S) {
    this.source = source;
    this.advance();
  }

  /** Where it stands; Infinity at the end. */
  get start(): number {
    return this.#there ? this.source.start : Number.POSITIVE_INFINITY;
  }

  advance(): void {
    this.#there = this.source.next();
  }
}

/**
 * The mappings of a process, lowest address first, one at a time. After `next()` answered true the fields are those of
 * one mapping, until the next call.
 *
 * The files are not of one moment: a mapping that only some of them have is told of with what is known.
 */
export class MappingReader implements Disposable {
  /** Addresses in bytes; the end is the start when it is not known. */
  start = 0;
  end = 0;
  name = "";
  kind: MappingKind = "anonymous";
  /** `rwxp`; empty when it is not known. */
  rights = "";
  /** Pages by node, and the policy; null when the kernel tells of none. */
  pages: PageCounts | null = null;
  /** What is swapped out, in huge pages, in memory; null when it is not asked for, or not known. */
  details: SmapsReader | null = null;
  readonly #maps: Cursor<MapsReader> | null;
  readonly #numa: Cursor<NumaMapsReader> | null;
  readonly #smaps: Cursor<SmapsReader> | null;
  /** Of a kernel without NUMA. */
  readonly #oneNode: OneNodeCounts | null;
  readonly #fileSystems: FileSystems | null;
  readonly #open: DisposableStack;
  #at = -1;
  /** Neighbours are mostly of one file: its device and whether it is huge, with the answer. */
  #lastDevice = -1;
  #lastHuge = false;

  /** Throws what opening and reading files throws: ENOENT, EACCES, ESRCH. */
  constructor(folder: string, options: MappingsOptions) {
    using open = new DisposableStack();
    this.#maps = options.names ? new Cursor(open.use(new MapsReader(`${folder}/maps`))) : null;
    const oneNode = options.nodes && !existsSync(`${folder}/numa_maps`) && existsSync(folder);
    this.#numa =
      options.nodes && !oneNode ? new Cursor(open.use(new NumaMapsReader(`${folder}/numa_maps`))) : null;
    this.#oneNode = oneNode ? new OneNodeCounts() : null;
    this.#smaps =
      options.details || oneNode ? new Cursor(open.use(new SmapsReader(`${folder}/smaps`))) : null;
    this.#fileSystems = options.names ? new FileSystems(`${folder}/mountinfo`) : null;
    this.#open = open.move();
  }

  /** Goes to the next mapping; false at the end. */
  next(): boolean {
    if (this.#maps?.start === this.#at) this.#maps.advance();
    if (this.#numa?.start === this.#at) this.#numa.advance();
    if (this.#smaps?.start === this.#at) this.#smaps.advance();
    const none = Number.POSITIVE_INFINITY;
    this.#at = Math.min(this.#maps?.start ?? none, this.#numa?.start ?? none, this.#smaps?.start ?? none);
    if (this.#at === none) return false;
    this.start = this.#at;
    this.pages = this.#numa !== null && this.#numa.start === this.#at ? this.#numa.source : null;
    this.details = this.#smaps !== null && this.#smaps.start === this.#at ? this.#smaps.source : null;
    if (this.#oneNode !== null && this.details !== null) this.pages = this.#oneNode.of(this.details);
    if (this.#maps !== null && this.#maps.start === this.#at) this.#take(this.#maps.source);
    else this.#guess();
    return true;
  }

  close(): void {
    this.#open.dispose();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #take(maps: MapsReader): void {
    this.end = maps.end;
    this.rights = RIGHTS[maps.rights] as string;
    const name = maps.name();
    const device = maps.major * 2 ** 20 + maps.minor;
    const huge = this.pages?.huge === true;
    if (name === this.name && device === this.#lastDevice && huge === this.#lastHuge) return;
    this.name = name;
    this.#lastDevice = device;
    this.#lastHuge = huge;
    const fileSystem = maps.inode === 0 ? null : (this.#fileSystems?.typeOf(maps.major, maps.minor) ?? null);
    this.kind = mappingKind({ name, fileSystem, huge });
  }

  /** A mapping that `maps` does not have. */
  #guess(): void {
    this.end = this.start;
    this.rights = "";
    this.name = "";
    this.#lastDevice = -1;
    const { pages } = this;
    this.kind = pages?.huge === true ? "hugetlb" : pages?.file === true ? "file" : "anonymous";
  }
}

const PAGE_BYTES = 4096;

/** What `smaps` says of a mapping as `numa_maps` would where all memory is node 0. */
class OneNodeCounts implements PageCounts {
  readonly policy = "";
  readonly file = false;
  huge = false;
  pages = 0;
  anonymous = 0;
  sharers = 1;
  readonly pageBytes = PAGE_BYTES;
  readonly pagesOf: Float64Array = new Float64Array(1);
  readonly nodes: Uint16Array = new Uint16Array(1);
  nodeCount = 0;

  of(smaps: SmapsReader): this {
    const { resident, hugetlb, anonymous, proportional } = smaps;
    this.huge = hugetlb > 0;
    this.pages = (resident + hugetlb) / PAGE_BYTES;
    this.anonymous = anonymous / PAGE_BYTES;
    this.sharers = proportional < resident ? 2 : 1;
    this.nodeCount = this.pages > 0 ? 1 : 0;
    this.pagesOf[0] = this.pages;
    return this;
  }
}

/** By the bits of `MapsReader.rights`. */
const RIGHTS: readonly string[] = Array.from({ length: 16 }, (_, bits) =>
  [bits & 1 ? "r" : "-", bits & 2 ? "w" : "-", bits & 4 ? "x" : "-", bits & 8 ? "s" : "p"].join(""),
);
