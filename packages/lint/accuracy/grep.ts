// The independent judgement shares no code with the scanner that it judges: it asks grep for every mention of a name in
// the whole tree, and reads each with rules of its own.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Hit {
  /** Below the tree. */
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

/** What grep may answer. */
const BYTES_MAX = 1 << 30;

/** Every line of the tree that has one of the words, by word. */
export function grepWords(tree: string, words: readonly string[]): ReadonlyMap<string, readonly Hit[]> {
  const wanted = new Set(words);
  const found = new Map<string, Hit[]>(words.map((word) => [word, []]));
  for (const hit of grep(tree, ["-w", "-F"], words))
    for (const word of new Set(hit.text.match(/\w+/g) ?? []))
      if (wanted.has(word)) found.get(word)?.push(hit);
  return found;
}

/** Every line of the tree that one of the patterns takes. */
export function grepPatterns(tree: string, patterns: readonly string[]): readonly Hit[] {
  return grep(tree, ["-E"], patterns);
}

function grep(tree: string, how: readonly string[], patterns: readonly string[]): readonly Hit[] {
  if (patterns.length === 0) return [];
  const folder = mkdtempSync(join(tmpdir(), "hms-accuracy-"));
  try {
    const list = join(folder, "patterns");
    writeFileSync(list, `${patterns.join("\n")}\n`);
    const done = spawnSync("grep", ["-r", "-n", "-I", "-Z", ...how, "-f", list, "."], {
      cwd: tree,
      maxBuffer: BYTES_MAX,
      env: { ...process.env, LC_ALL: "C" },
    });
    if (done.status !== 0 && done.status !== 1)
      throw new Error(`grep failed in ${tree}: ${done.stderr?.toString() ?? "it is not here"}`);
    return done.stdout
      .toString("latin1")
      .split("\n")
      .flatMap((row) => {
        const [, file, line, text] = /^\.\/(.*?)\0(\d+):(.*)$/s.exec(row) ?? [];
        return file === undefined || line === undefined
          ? []
          : [{ file, line: Number(line), text: text ?? "" }];
      });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A file of the tree; what is no UTF-8 is read byte by byte. */
export function readTree(tree: string, file: string): string {
  return readFileSync(join(tree, file), "latin1");
}
