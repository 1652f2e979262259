import { type EntryKind, errnoError, type FileStore } from "./store.ts";

/** What is below `from` in another store, seen as if it lay at `at`: a capture that is not at the top of an archive. */
export class ViewStore implements FileStore {
  readonly #store: FileStore;
  readonly #from: string;
  readonly #at: string;

  constructor(store: FileStore, place: { readonly from: string; readonly at: string }) {
    this.#store = store;
    this.#from = place.from;
    this.#at = place.at;
  }

  entries(path: string): ReadonlyMap<string, EntryKind> | undefined {
    const inside = this.#inside(path);
    if (inside !== undefined) return this.#store.entries(inside);
    const above = path === "" ? "" : `${path}/`;
    if (!this.#at.startsWith(above)) return undefined;
    const [name = ""] = this.#at.slice(above.length).split("/");
    return new Map([[name, "directory"]]);
  }

  linkText(path: string): string {
    return this.#store.linkText(this.#mustBeInside(path));
  }

  read(path: string, bytesMax: number): Uint8Array {
    return this.#store.read(this.#mustBeInside(path), bytesMax);
  }

  #inside(path: string): string | undefined {
    let rest: string;
    if (this.#at === "") rest = path;
    else if (path === this.#at) rest = "";
    else if (path.startsWith(`${this.#at}/`)) rest = path.slice(this.#at.length + 1);
    else return undefined;
    if (this.#from === "" || rest === "") return this.#from === "" ? rest : this.#from;
    return `${this.#from}/${rest}`;
  }

  #mustBeInside(path: string): string {
    const inside = this.#inside(path);
    if (inside === undefined) throw errnoError("ENOENT", path);
    return inside;
  }
}
