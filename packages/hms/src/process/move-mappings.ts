import type { RangeSource } from "@hms/host-linux/numa";
import { MappingReader } from "@hms/host-linux/proc";
import { matchesGlob } from "./glob.ts";

/** How anonymous memory without a name is called in a glob: as `hms ps` shows it. */
export const UNNAMED = "(anonymous)";

/** The mappings of a process whose pages can be asked about: neither the kernel's own nor a device's. */
export class MovableMappings implements RangeSource, Disposable {
  start = 0;
  end = 0;
  /** As the kernel prints it; empty for anonymous memory without one. */
  name = "";
  readonly #reader: MappingReader;
  readonly #glob: string | null;
  /** Neighbours are mostly of one name. */
  #lastName: string | null = null;
  #lastMatches = true;

  /** Throws what opening files throws: ENOENT, EACCES, ESRCH. */
  constructor(pid: number, glob: string | null) {
    this.#reader = new MappingReader(`/proc/${pid}`, { names: true, nodes: false, details: false });
    this.#glob = glob;
  }

  next(): boolean {
    const reader = this.#reader;
    while (reader.next()) {
      if (reader.kind === "kernel" || reader.kind === "device" || reader.end <= reader.start) continue;
      if (!this.#matches(reader.name)) continue;
      this.start = reader.start;
      this.end = reader.end;
      this.name = reader.name;
      return true;
    }
    return false;
  }

  #matches(name: string): boolean {
    if (this.#glob === null) return true;
    if (name !== this.#lastName) {
      this.#lastName = name;
      this.#lastMatches = matchesGlob(this.#glob, name === "" ? UNNAMED : name);
    }
    return this.#lastMatches;
  }

  [Symbol.dispose](): void {
    this.#reader.close();
  }
}
