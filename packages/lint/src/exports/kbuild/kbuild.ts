import { posix } from "node:path";
import { type ConfigType, readKconfig } from "./kconfig.ts";
import { BITS_OF_BOTH, type Makefile, readMakefile, words } from "./make.ts";

/** How a file is built: as a part of a module if so configured, always into the kernel, or in no way that shows. */
export type Capability = "module" | "built-in" | "unknown";

export interface BuiltAs {
  readonly capability: Capability;
  /** The module, or what would be one: the path without .ko. Empty for what is only built in. */
  readonly module: string;
  /** The symbol that decides, without CONFIG_; null: always. */
  readonly config: string | null;
  /** The Makefile that says so. */
  readonly makefile: string;
}

/** What the Makefiles and Kconfig files of a tree build of which file. */
export class Kbuild {
  readonly types: Map<string, ConfigType> = new Map();
  readonly #objects: Map<string, BuiltAs[]> = new Map();
  /** By folder: the namespace that its Makefile gives to exports, and whether folders below have it too. */
  readonly #namespaces: Map<string, { readonly name: string; readonly below: boolean }> = new Map();
  readonly #fileNamespaces: Map<string, string> = new Map();
  readonly #texts: ReadonlyMap<string, string>;

  /** `texts`: the Makefile, Kbuild and Kconfig files by their paths from the root of the tree. */
  constructor(texts: ReadonlyMap<string, string>) {
    this.#texts = texts;
    for (const [path, text] of texts) if (isKconfig(path)) readKconfig(text, this.types);
    for (const [path, text] of texts) if (isMakefile(path)) this.#take(path, text);
  }

  /** In which ways a file is built; a source by its path. None: no Makefile shows it. */
  builtAs(path: string): readonly BuiltAs[] {
    return this.#objects.get(path.replace(/\.[A-Za-z]+$/, "")) ?? [];
  }

  /** The namespace that exports of a file have by its Makefile, if any. */
  namespaceOf(path: string): string | undefined {
    const own = this.#fileNamespaces.get(path.replace(/\.[A-Za-z]+$/, ""));
    if (own !== undefined) return own;
    let folder = posix.dirname(path);
    const here = this.#namespaces.get(folder);
    if (here !== undefined) return here.name;
    while (folder !== "." && folder !== "/") {
      folder = posix.dirname(folder);
      const above = this.#namespaces.get(folder);
      if (above?.below === true) return above.name;
    }
    return undefined;
  }

  #take(path: string, text: string): void {
    const folder = posix.dirname(path);
    const make = readMakefile(folder, text, (other) => this.#texts.get(other));
    this.#takeNamespaces(folder, make);
    const composites = compositesOf(make);
    for (const [name, value] of make.variables) {
      const target = /^(obj|lib)-(.+)$/.exec(name);
      if (target === null) continue;
      const { capability, config } = this.#condition(target[2] ?? "", target[1] === "lib");
      for (const word of words(make.expand(value))) {
        if (!word.endsWith(".o")) continue;
        const object = word.slice(0, -2);
        const module = capability === "built-in" ? "" : posix.normalize(`${folder}/${object}`);
        const built: BuiltAs = { capability, module, config, makefile: path };
        const members = composites.get(object);
        if (members === undefined) this.#add(folder, object, built);
        else {
          // A file of the composite's name can be one of its parts, but only if it is listed.
          for (const key of members)
            for (const member of words(make.expand(make.variables.get(key) ?? "")))
              if (member.endsWith(".o"))
                this.#addMember(folder, member.slice(0, -2), built, composites, make, 0);
        }
      }
    }
  }

  #addMember(
    folder: string,
    object: string,
    built: BuiltAs,
    composites: ReadonlyMap<string, readonly string[]>,
    make: Makefile,
    depth: number,
  ): void {
    this.#add(folder, object, built);
    const inner = composites.get(object);
    if (inner === undefined || depth > 3) return;
    for (const key of inner)
      for (const member of words(make.expand(make.variables.get(key) ?? "")))
        if (member.endsWith(".o") && member !== `${object}.o`)
          this.#addMember(folder, member.slice(0, -2), built, composites, make, depth + 1);
  }

  #add(folder: string, object: string, built: BuiltAs): void {
    if (object.includes(BITS_OF_BOTH)) {
      for (const bits of ["32", "64"]) this.#add(folder, object.replaceAll(BITS_OF_BOTH, bits), built);
      return;
    }
    const path = posix.normalize(object.startsWith(`${folder}/`) ? object : `${folder}/${object}`);
    const list = this.#objects.get(path);
    if (list === undefined) this.#objects.set(path, [built]);
    else if (!list.some((one) => one.module === built.module && one.capability === built.capability))
      list.push(built);
  }

  #condition(
    suffix: string,
    library: boolean,
  ): { readonly capability: Capability; readonly config: string | null } {
    const configs = [...suffix.matchAll(/\$\(CONFIG_(\w+)\)/g)].map((match) => match[1] ?? "");
    const config = configs[0] ?? null;
    if (library) return { capability: "built-in", config };
    if (suffix === "m") return { capability: "module", config: null };
    if (config === null) return { capability: "built-in", config: null };
    const types = configs.map((one) => this.types.get(one));
    if (types.includes("tristate")) return { capability: "module", config };
    return { capability: types.every((type) => type === undefined) ? "unknown" : "built-in", config };
  }

  #takeNamespaces(folder: string, make: Makefile): void {
    for (const [name, value] of make.variables) {
      const found = /-DDEFAULT_SYMBOL_NAMESPACE=(\S+)/.exec(value);
      if (found === null) continue;
      const namespace = (found[1] ?? "").replace(/[\\'"]/g, "");
      const file = /^(?:CFLAGS|AFLAGS)_(.+)\.o$/.exec(name);
      if (file !== null) this.#fileNamespaces.set(posix.normalize(`${folder}/${file[1] ?? ""}`), namespace);
      else if (/^(subdir-)?ccflags-|^(KBUILD_CFLAGS|EXTRA_CFLAGS)/.test(name))
        this.#namespaces.set(folder, { name: namespace, below: name.startsWith("subdir-") });
    }
  }
}

/** Objects that are made of others: their name, and the variables that list the parts. */
function compositesOf(make: Makefile): Map<string, string[]> {
  const composites = new Map<string, string[]>();
  for (const name of make.variables.keys()) {
    const composite = /^(.+)-(?:objs|y|m|(?:objs-)?\$\(CONFIG_\w+\)\S*|objs-y|objs-m)$/.exec(name);
    const object = composite?.[1] ?? "";
    if (
      object === "" ||
      /^(obj|lib|subdir|always|extra|targets|hostprogs|ccflags|asflags|libs|core|drivers|head|net|virt|subdir-ccflags|obj-dirs|cflags|userprogs)$/.test(
        object,
      )
    )
      continue;
    const list = composites.get(object);
    if (list === undefined) composites.set(object, [name]);
    else list.push(name);
  }
  return composites;
}

export function isMakefile(path: string): boolean {
  return /(^|\/)(Makefile|Kbuild)(\.[\w.-]+)?$/.test(path);
}

export function isKconfig(path: string): boolean {
  return /(^|\/)Kconfig([.-][\w.-]+)?$/.test(path);
}
