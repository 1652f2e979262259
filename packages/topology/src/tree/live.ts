import type { Warning } from "../model/facts.ts";
import { NO_VALUE } from "./linked.ts";
import { naturalOrder } from "./natural.ts";
import { type FileTree, LIST_NAMES_MAX, TEXT_BYTES_MAX } from "./tree.ts";

// An import of node:fs loads its promises and streams too, which takes longer than reading a small machine.
const { existsSync, readdirSync, readFileSync, realpathSync } = process.getBuiltinModule("node:fs");

/** The files of the running machine: the kernel follows the links, and nothing is kept. */
export class LiveTree implements FileTree {
  readonly live = true;
  readonly label = "this machine";
  readonly warnings: Warning[] = [];
  readonly #warned = new Set<string>();

  readText(path: string): string | undefined {
    return this.#attempt(path, () => {
      const text = readFileSync(`/${path}`, "utf8");
      if (text.length <= TEXT_BYTES_MAX) return text;
      this.#warn(path, `is longer than ${TEXT_BYTES_MAX} bytes: only that many are read`);
      return text.slice(0, TEXT_BYTES_MAX);
    });
  }

  readBytes(path: string, bytesMax: number = TEXT_BYTES_MAX): Uint8Array | undefined {
    return this.#attempt(path, () => readFileSync(`/${path}`).subarray(0, bytesMax));
  }

  list(path: string): readonly string[] {
    return (
      this.#attempt(path, () => readdirSync(`/${path}`).sort(naturalOrder).slice(0, LIST_NAMES_MAX)) ?? []
    );
  }

  exists(path: string): boolean {
    return existsSync(`/${path}`);
  }

  realPath(path: string): string | undefined {
    return this.#attempt(path, () => realpathSync.native(`/${path}`).slice(1));
  }

  /** What is absent is the common case: asking first costs a third of an exception. */
  #attempt<T>(path: string, read: () => T): T | undefined {
    if (!existsSync(`/${path}`)) return undefined;
    try {
      return read();
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "";
      if (!NO_VALUE.has(code)) this.#warn(path, `cannot be read (${code || String(error)})`);
      return undefined;
    }
  }

  #warn(path: string, message: string): void {
    if (this.#warned.has(path)) return;
    this.#warned.add(path);
    this.warnings.push({ path, message });
  }
}
