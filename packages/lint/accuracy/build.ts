// Whether a file can be built as a module, by a rough reading of Makefiles and Kconfig of its own.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const makefiles = new Map<string, string>();
let tristates: ReadonlySet<string> | undefined;

/** `module`: something tristate builds it; `built-in`: only what is bool or always; `unknown`: not found. */
export function moduleCapable(tree: string, file: string): "module" | "built-in" | "unknown" {
  if (/^(rust|init|kernel\/sched)\//.test(file)) return "built-in";
  if (!file.endsWith(".c") && !file.endsWith(".S")) return "unknown";
  let folder = dirname(file);
  let object = file.slice(folder.length + 1).replace(/\.[cS]$/, "");
  // Objects of subfolders are often listed one or two folders up.
  for (let up = 0; up < 4 && folder !== "."; up++) {
    const text = makefileOf(tree, folder);
    const found = text === undefined ? undefined : verdict(tree, text, object, 0);
    if (found !== undefined) return found;
    object = `${folder.split("/").at(-1)}/${object}`;
    folder = dirname(folder);
  }
  return "unknown";
}

function makefileOf(tree: string, folder: string): string | undefined {
  const known = makefiles.get(folder);
  if (known !== undefined) return known;
  for (const name of ["Kbuild", "Makefile"]) {
    const path = join(tree, folder, name);
    if (!existsSync(path)) continue;
    const text = readFileSync(path, "utf8").replace(/#.*$/gm, "").replace(/\\\n/g, " ");
    makefiles.set(folder, text);
    return text;
  }
  return undefined;
}

function verdict(
  tree: string,
  text: string,
  object: string,
  depth: number,
): "module" | "built-in" | undefined {
  if (depth > 4) return undefined;
  const escaped = object.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
  const wanted = new RegExp(`(^|\\s)(\\./)?${escaped}\\.o(\\s|$)`);
  let best: "module" | "built-in" | undefined;
  for (const [, left = "", right = ""] of text.matchAll(/^\s*([\w./$()-]+)\s*[:+?]?=\s*(.*)$/gm)) {
    if (!wanted.test(right)) continue;
    const list = /^(obj|lib)-(.*)$/.exec(left);
    if (list !== null) {
      const config = /CONFIG_(\w+)/.exec(list[2] ?? "")?.[1];
      const tristate = list[2] === "m" || (config !== undefined && tristatesOf(tree).has(config));
      if (tristate) return "module";
      best = "built-in";
      continue;
    }
    // `name-y += x.o`, `name-objs := x.o`, `name-$(CONFIG_X) += x.o`
    const whole = /^([\w./-]+?)-(y|objs|\$\(CONFIG_\w+\)|m)$/.exec(left)?.[1];
    if (whole !== undefined) {
      const outer = verdict(tree, text, whole, depth + 1);
      if (outer === "module") return outer;
      best = outer ?? best;
    }
  }
  return best;
}

function tristatesOf(tree: string): ReadonlySet<string> {
  if (tristates !== undefined) return tristates;
  const found = new Set<string>();
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(tree, folder), { withFileTypes: true })) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory() && !/^(Documentation|tools|\.git)$/.test(path)) visit(path);
      else if (/^Kconfig/.test(entry.name)) {
        let config = "";
        for (const line of readFileSync(join(tree, path), "utf8").split("\n")) {
          const start = /^\s*(?:menu)?config\s+(\w+)/.exec(line)?.[1];
          if (start !== undefined) config = start;
          else if (/^\s*(def_)?tristate\b/.test(line)) found.add(config);
        }
      }
    }
  };
  visit("");
  tristates = found;
  return found;
}
