import { MAPPING_KINDS, type MappingKind, type MappingReader, NODES_MAX } from "@hms/host-linux/proc";
import type { ByKind } from "./process-memory.ts";

const KIND_PLACES: ReadonlyMap<MappingKind, number> = new Map(MAPPING_KINDS.map((kind, i) => [kind, i]));
const ANONYMOUS = KIND_PLACES.get("anonymous") as number;
/** Different policies that are told apart; mappings of more are counted as one. */
const POLICIES_MAX = 64;
const OTHER_POLICIES = "others";
/** Mappings of devices that are listed. */
const DEVICE_MAPPINGS_MAX = 256;

/** Bytes of all mappings of a process by node and kind. Made once, and cleared for each process. */
export class Tally {
  readonly nodeBytes: Float64Array = new Float64Array(NODES_MAX);
  /** In mappings of which others map a page too. */
  readonly sharedBytes: Float64Array = new Float64Array(NODES_MAX);
  /** By node and kind. */
  readonly #kindBytes = new Float64Array(NODES_MAX * MAPPING_KINDS.length);
  readonly #policies = new Map<string, { policy: string; bytes: number; mappings: number }>();
  readonly #devices = new Map<string, { name: string; size: number }>();
  mappings = 0;
  bytes = 0;
  hugetlbBytes = 0;
  estimatedBytes = 0;

  clear(): void {
    this.nodeBytes.fill(0);
    this.sharedBytes.fill(0);
    this.#kindBytes.fill(0);
    this.#policies.clear();
    this.#devices.clear();
    this.mappings = 0;
    this.bytes = 0;
    this.hugetlbBytes = 0;
    this.estimatedBytes = 0;
  }

  add(mapping: MappingReader): void {
    const { pages } = mapping;
    this.mappings++;
    if (mapping.kind === "device") this.#addDevice(mapping);
    if (pages === null) return;
    const bytes = pages.pages * pages.pageBytes;
    this.#addPolicy(pages.policy, bytes);
    if (bytes === 0) return;
    this.bytes += bytes;
    if (mapping.kind === "hugetlb") this.hugetlbBytes += bytes;
    const kind = KIND_PLACES.get(mapping.kind) ?? ANONYMOUS;
    // Of a file's private mapping the pages that were written to are anonymous.
    const mixed = mapping.kind === "file" && pages.anonymous > 0;
    const anonymousShare = mixed ? Math.min(1, pages.anonymous / pages.pages) : 0;
    if (mixed && anonymousShare < 1 && pages.nodeCount > 1) this.estimatedBytes += bytes;
    let anonymousSum = 0;
    let anonymousGiven = 0;
    for (let i = 0; i < pages.nodeCount; i++) {
      const node = pages.nodes[i] as number;
      const count = pages.pagesOf[node] as number;
      const inNode = count * pages.pageBytes;
      this.nodeBytes[node] = (this.nodeBytes[node] as number) + inNode;
      if (pages.sharers > 1) this.sharedBytes[node] = (this.sharedBytes[node] as number) + inNode;
      // Rounded so that the sum over the nodes is what the kernel said.
      anonymousSum += count * anonymousShare;
      const anonymous = Math.round(anonymousSum) - anonymousGiven;
      anonymousGiven += anonymous;
      this.#addKind(node, ANONYMOUS, anonymous * pages.pageBytes);
      this.#addKind(node, kind, (count - anonymous) * pages.pageBytes);
    }
  }

  /** Bytes by kind of one node. */
  kindsOf(node: number): ByKind {
    const kinds: Partial<Record<MappingKind, number>> = {};
    MAPPING_KINDS.forEach((kind, i) => {
      const bytes = this.#kindBytes[node * MAPPING_KINDS.length + i] as number;
      if (bytes > 0) kinds[kind] = bytes;
    });
    return kinds;
  }

  /** Most bytes first. */
  policies(): { policy: string; bytes: number; mappings: number }[] {
    return [...this.#policies.values()]
      .filter(({ bytes, policy }) => bytes > 0 || policy !== "default")
      .sort((a, b) => b.bytes - a.bytes || b.mappings - a.mappings);
  }

  devices(): { name: string; size: number }[] {
    return [...this.#devices.values()].sort((a, b) => b.size - a.size);
  }

  #addKind(node: number, kind: number, bytes: number): void {
    const at = node * MAPPING_KINDS.length + kind;
    this.#kindBytes[at] = (this.#kindBytes[at] as number) + bytes;
  }

  #addPolicy(policy: string, bytes: number): void {
    if (policy === "") return;
    const known = this.#policies.size < POLICIES_MAX || this.#policies.has(policy);
    const name = known ? policy : OTHER_POLICIES;
    const entry = this.#policies.get(name);
    if (entry === undefined) this.#policies.set(name, { policy: name, bytes, mappings: 1 });
    else {
      entry.bytes += bytes;
      entry.mappings++;
    }
  }

  #addDevice({ name, start, end }: MappingReader): void {
    const entry = this.#devices.get(name);
    if (entry !== undefined) entry.size += end - start;
    else if (this.#devices.size < DEVICE_MAPPINGS_MAX) this.#devices.set(name, { name, size: end - start });
  }
}
