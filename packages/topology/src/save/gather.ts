import { LinkedTree } from "../tree/linked.ts";
import type { MemoryEntry } from "../tree/memory.ts";
import type { EntryKind, FileStore } from "../tree/store.ts";

/**
 * Keeps what is read through it, so that the same reading gives the same again from what was kept. It shows a
 * running machine as a capture would: `proc/self` is a folder, and no other process is there.
 */
export class RecordingStore implements FileStore {
  readonly kept: Map<string, MemoryEntry> = new Map();
  /** Files that could not be read, with the errno. */
  readonly unreadable: Map<string, string> = new Map();
  readonly #store: FileStore;
  /** Files that are not on disk, by path. */
  readonly #added: ReadonlyMap<string, string>;
  readonly #onRead: (count: number) => void;

  constructor(store: FileStore, added: ReadonlyMap<string, string>, onRead: (count: number) => void) {
    this.#store = store;
    this.#added = added;
    this.#onRead = onRead;
  }

  entries(path: string): ReadonlyMap<string, EntryKind> | undefined {
    const entries = this.#store.entries(path);
    if (path !== "proc" || entries === undefined) return entries;
    const shown = new Map([...entries].filter(([name]) => !/^(\d+|thread-self)$/.test(name)));
    if (shown.has("self")) shown.set("self", "directory");
    for (const added of this.#added.keys()) shown.set(added.slice("proc/".length), "file");
    return shown;
  }

  linkText(path: string): string {
    const link = this.#store.linkText(path);
    this.kept.set(path, { link });
    return link;
  }

  read(path: string, bytesMax: number): Uint8Array {
    const added = this.#added.get(path);
    if (added !== undefined) {
      this.kept.set(path, added);
      return Buffer.from(added);
    }
    try {
      const bytes = this.#store.read(path, bytesMax);
      this.kept.set(path, new Uint8Array(bytes));
      this.#onRead(this.kept.size);
      return bytes;
    } catch (error) {
      this.unreadable.set(path, (error as NodeJS.ErrnoException).code ?? String(error));
      throw error;
    }
  }
}

/** A tree that besides notes what was listed or asked for: names are kept without what they hold. */
export class RecordingTree extends LinkedTree {
  readonly #store: RecordingStore;
  readonly #source: FileStore;

  /** @param source what the recording store reads from, to look at without recording */
  constructor(store: RecordingStore, source: FileStore, label: string) {
    super(store, { label });
    this.#store = store;
    this.#source = source;
  }

  override list(path: string): readonly string[] {
    const names = super.list(path);
    const directory = super.realPath(path);
    if (directory === undefined) return names;
    const kinds = this.#store.entries(directory);
    if (kinds !== undefined) this.#keep(directory, "directory");
    for (const name of names) {
      const kind = kinds?.get(name);
      if (kind !== undefined) this.#keep(directory === "" ? name : `${directory}/${name}`, kind);
    }
    return names;
  }

  override exists(path: string): boolean {
    return this.realPath(path) !== undefined;
  }

  override realPath(path: string): string | undefined {
    const real = super.realPath(path);
    if (real === undefined || real === "") return real;
    const cut = real.lastIndexOf("/");
    const kind = this.#store.entries(cut < 0 ? "" : real.slice(0, cut))?.get(real.slice(cut + 1));
    if (kind !== undefined) this.#keep(real, kind);
    return real;
  }

  #keep(path: string, kind: EntryKind): void {
    const { kept } = this.#store;
    if (path === "" || kept.has(path)) return;
    if (kind === "directory") kept.set(path, { kind });
    else if (kind === "link") kept.set(path, { link: this.#source.linkText(path) });
    // A file that nobody reads is there by name only.
    else kept.set(path, "");
  }
}
