import type { MappingKind, MappingReader } from "@hms/host-linux/proc";
import type { RegionsLeftOut } from "./process-memory.ts";

/** Rights of mappings that differ in them, as those of a library do. */
const MIXED = "mixed";

/** A region while it is read. */
export interface RegionDraft {
  start: number;
  end: number;
  name: string;
  kind: MappingKind;
  rights: string;
  policy: string;
  mappings: number;
  bytes: number;
  /** The nodes that it has memory on, and how much on each: most have it on one. */
  readonly nodes: number[];
  readonly nodeBytes: number[];
  sharers: number;
  swappedBytes: number;
  hugeBytes: number;
}

/**
 * Puts mappings together that lie next to each other and have one name, kind and policy (a library is four, a heap
 * that guards its pages a hundred thousand), and keeps the largest of what comes out, in bounded memory.
 */
export class RegionCollector {
  readonly #max: number;
  #kept: RegionDraft[] = [];
  #open: RegionDraft | null = null;
  #leftOut = 0;
  #leftOutBytes = 0;

  /** @param max regions that are kept, from 1 */
  constructor(max: number) {
    this.#max = max;
  }

  add(mapping: MappingReader): void {
    const { pages, details } = mapping;
    const policy = pages?.policy ?? "";
    let region = this.#open;
    if (
      region === null ||
      region.end !== mapping.start ||
      region.name !== mapping.name ||
      region.kind !== mapping.kind ||
      region.policy !== policy
    ) {
      this.#close();
      region = newRegion(mapping, policy);
      this.#open = region;
    }
    region.end = mapping.end;
    region.mappings++;
    if (region.rights !== mapping.rights) region.rights = MIXED;
    if (details !== null) {
      region.swappedBytes += details.swapped;
      region.hugeBytes += details.transparentHuge;
    }
    if (pages === null) return;
    region.sharers = Math.max(region.sharers, pages.sharers);
    for (let i = 0; i < pages.nodeCount; i++) {
      const node = pages.nodes[i] as number;
      const bytes = (pages.pagesOf[node] as number) * pages.pageBytes;
      region.bytes += bytes;
      const at = region.nodes.indexOf(node);
      if (at < 0) {
        region.nodes.push(node);
        region.nodeBytes.push(bytes);
      } else region.nodeBytes[at] = (region.nodeBytes[at] as number) + bytes;
    }
  }

  /** All that is kept, by address, and what is not. */
  finish(): { readonly regions: readonly RegionDraft[]; readonly leftOut: RegionsLeftOut } {
    this.#close();
    this.#cut(this.#max);
    const regions = this.#kept.sort((a, b) => a.start - b.start);
    return { regions, leftOut: { regions: this.#leftOut, bytes: this.#leftOutBytes } };
  }

  #close(): void {
    if (this.#open === null) return;
    this.#kept.push(this.#open);
    this.#open = null;
    if (this.#kept.length >= 2 * this.#max) this.#cut(this.#max);
  }

  /** Keeps the `count` largest: those with the most bytes in memory, of equal ones the ones with the most addresses. */
  #cut(count: number): void {
    if (this.#kept.length <= count) return;
    this.#kept.sort(
      (a, b) => weight(b) - weight(a) || b.end - b.start - (a.end - a.start) || a.start - b.start,
    );
    for (const { bytes } of this.#kept.slice(count)) {
      this.#leftOut++;
      this.#leftOutBytes += bytes;
    }
    this.#kept.length = count;
  }
}

function weight({ bytes, swappedBytes }: RegionDraft): number {
  return bytes + swappedBytes;
}

function newRegion({ start, end, name, kind, rights }: MappingReader, policy: string): RegionDraft {
  return {
    start,
    end,
    name,
    kind,
    rights,
    policy,
    mappings: 0,
    bytes: 0,
    nodes: [],
    nodeBytes: [],
    sharers: 1,
    swappedBytes: 0,
    hugeBytes: 0,
  };
}
