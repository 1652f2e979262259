import { HmsError } from "@hms/topology";
import type { Handle } from "./infer.ts";

/** Handles that a table gives out at most at a time. */
const HANDLES_MAX = 1 << 20;

/**
 * Objects by handle. A handle is never given out twice, so that one that was closed is known as closed and does not
 * reach a later object. `Kinds` says which object each kind of handle stands for.
 *
 * @example
 * ```ts
 * import { HandleTable } from "@hms/uabi";
 * const table = new HandleTable<{ space: { readonly name: string } }>();
 * const handle = table.add("space", { name: "first" });
 * console.log(table.get("space", handle).name, table.has("space", 77)); // first false
 * ```
 */
export class HandleTable<Kinds extends object> {
  readonly #objects = new Map<number, { readonly kind: string; readonly object: unknown }>();
  #next = 1;

  /** Gives an object a handle. Throws TOO_MANY_HANDLES (ENOSPC) when 1048576 are in use. */
  add<K extends keyof Kinds & string>(kind: K, object: Kinds[K]): Handle<K> {
    if (this.#objects.size >= HANDLES_MAX) {
      throw new HmsError(
        "TOO_MANY_HANDLES",
        "ENOSPC",
        `Opening a ${kind} failed: ${HANDLES_MAX} objects are open already. Close some first.`,
      );
    }
    const handle = this.#next++;
    this.#objects.set(handle, { kind, object });
    return handle as Handle<K>;
  }

  /** Whether there is an object of a kind with a handle: what `ServiceOptions.hasHandle` asks. */
  has(kind: string, handle: number): boolean {
    return this.#objects.get(handle)?.kind === kind;
  }

  /** Throws BAD_HANDLE (ENOENT) when there is none. */
  get<K extends keyof Kinds & string>(kind: K, handle: Handle<K>): Kinds[K] {
    const found = this.#objects.get(handle);
    if (found?.kind === kind) return found.object as Kinds[K];
    throw new HmsError(
      "BAD_HANDLE",
      "ENOENT",
      `There is no ${kind} ${handle}: it was closed, or the handle is that of something else.`,
    );
  }

  /** Takes a handle back; whether there was one. */
  delete<K extends keyof Kinds & string>(kind: K, handle: Handle<K>): boolean {
    return this.has(kind, handle) && this.#objects.delete(handle);
  }

  /** All of a kind, in the order in which they were added. */
  *entries<K extends keyof Kinds & string>(kind: K): Generator<readonly [Handle<K>, Kinds[K]]> {
    for (const [handle, { kind: other, object }] of this.#objects)
      if (other === kind) yield [handle as Handle<K>, object as Kinds[K]];
  }
}
