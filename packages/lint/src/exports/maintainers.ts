/** An entry of MAINTAINERS. */
export interface Maintained {
  readonly title: string;
  /** The people (M:) and lists (L:). */
  readonly people: readonly string[];
  readonly lists: readonly string[];
  readonly files: readonly RegExp[];
  readonly excluded: readonly RegExp[];
  /** How much of a path its longest pattern says, for choosing the nearest of several entries. */
  readonly patterns: readonly string[];
}

/** Reads MAINTAINERS; an entry whose files are patterns of content (K:) or of names (N:) has those left out. */
export function readMaintainers(text: string): Maintained[] {
  const entries: Maintained[] = [];
  let started = false;
  for (const block of text.split(/\n\s*\n/)) {
    const lines = block.split("\n").filter((line) => line.trim() !== "");
    const fields = lines.filter((line) => /^[A-Z]:\s/.test(line));
    if (fields.length === 0) continue;
    const title = lines[lines.findIndex((line) => /^[A-Z]:\s/.test(line)) - 1]?.trim() ?? "";
    if (title === "") continue;
    // The head of the file explains the letters by example.
    if (!started && /^[a-z]/.test(title)) continue;
    started = true;
    const of = (letter: string): string[] =>
      fields.filter((line) => line.startsWith(`${letter}:`)).map((line) => line.slice(2).trim());
    const patterns = of("F");
    if (patterns.length === 0) continue;
    entries.push({
      title,
      people: of("M"),
      lists: of("L").map((list) => list.split(/\s/, 1)[0] ?? list),
      files: patterns.map(toPattern),
      excluded: of("X").map(toPattern),
      patterns,
    });
  }
  return entries;
}

/** `drivers/net/` holds all below it, `drivers/net/*` what lies in it, `a?b` and `[ab]` as the shell has them. */
function toPattern(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replaceAll("*", "[^/]*")
    .replaceAll("?", "[^/]");
  return new RegExp(`^${source}${pattern.endsWith("/") ? "" : "$"}`);
}

export function maintains(entry: Maintained, path: string): boolean {
  return entry.files.some((one) => one.test(path)) && !entry.excluded.some((one) => one.test(path));
}

/** The entry that a file belongs to most closely: the one with the longest pattern. Null: THE REST. */
export class MaintainerIndex {
  readonly #byTop: Map<string, Maintained[]> = new Map();
  readonly #known: Map<string, Maintained | null> = new Map();

  constructor(entries: readonly Maintained[]) {
    for (const entry of entries) {
      const tops = new Set(entry.patterns.map((pattern) => /^[^/*?[]*/.exec(pattern)?.[0] ?? ""));
      for (const top of tops) {
        const list = this.#byTop.get(top);
        if (list === undefined) this.#byTop.set(top, [entry]);
        else list.push(entry);
      }
    }
  }

  of(path: string): Maintained | null {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const top = path.split("/", 1)[0] ?? "";
    let best: Maintained | null = null;
    let longest = 0;
    for (const entry of this.#byTop.get(top) ?? []) {
      if (!maintains(entry, path)) continue;
      entry.patterns.forEach((pattern, i) => {
        if (pattern.length > longest && entry.files[i]?.test(path) === true) {
          longest = pattern.length;
          best = entry;
        }
      });
    }
    this.#known.set(path, best);
    return best;
  }
}
