import { basename } from "node:path";
import { git } from "../tree/open.ts";
import type { Violation } from "../violations.ts";
import type { Change } from "./compare.ts";

/** Why a new export exists, in the words of the commit that brought it. */
export interface Motivation {
  readonly symbol: string;
  /** Null: no text is to be had (a tree without history), so that people cannot judge it. */
  readonly commit: string | null;
  readonly subject: string | null;
  /** The consumer that the text names, or null. */
  readonly names: string | null;
}

/** Finds for each new export what its commit says. Without a repository every text is missing. */
export function motivations(
  born: readonly Change[],
  repository: string | null,
  from: string | null,
  to: string | null,
): Motivation[] {
  const texts =
    repository === null || from === null || to === null ? null : exportCommits(repository, from, to);
  return born.map(({ symbol, after }) => {
    const commit = texts?.get(symbol) ?? texts?.get(symbol.replace(/^__(tracepoint|SCK|SCT)_+/, ""));
    if (commit === undefined) return { symbol, commit: null, subject: null, names: null };
    const wanted = new Set(
      (after?.consumers ?? []).flatMap(({ file, module }) => {
        const base = basename(file).replace(/\.\w+$/, "");
        const folder = file.split("/").at(-2) ?? "";
        return [base, folder, module === null ? "" : basename(module), basename(file)];
      }),
    );
    const named = [...wanted].find(
      (name) => name.length > 2 && new RegExp(`\\b${name.replace(/\W/g, "\\$&")}\\b`, "i").test(commit.text),
    );
    return { symbol, commit: commit.id, subject: commit.subject, names: named ?? null };
  });
}

/** The violations: a text is there, and names no consumer. A missing text is listed, and held against nobody. */
export function unmotivated(found: readonly Motivation[], born: readonly Change[]): Violation[] {
  const places = new Map(born.map((change) => [change.symbol, change.after]));
  return found.flatMap(({ symbol, commit, subject, names }) => {
    const after = places.get(symbol);
    if (commit === null || names !== null || after === null || after === undefined) return [];
    const message = `${symbol}: commit ${commit.slice(0, 12)} ("${subject}") names no consumer of it`;
    return [{ rule: "no-motivation", symbol, file: after.file, line: after.line, message }];
  });
}

interface Commit {
  readonly id: string;
  readonly subject: string;
  readonly text: string;
}

/** By symbol: the commit that added the export, the last one first in git's order. */
function exportCommits(repository: string, from: string, to: string): Map<string, Commit> | null {
  const log = git(repository, [
    "log",
    "--no-color",
    "--no-merges",
    "-p",
    "-U0",
    "-GEXPORT",
    "--format=%x00%H%n%B%x01",
    `${from}..${to}`,
    "--",
    "*.c",
    "*.h",
    "*.S",
  ]);
  if (log === null) return null;
  const commits = new Map<string, Commit>();
  for (const part of log.split("\0").slice(1)) {
    const cut = part.indexOf("\x01");
    const [id = "", subject = "", ...rest] = part.slice(0, cut).split("\n");
    const commit = { id, subject, text: [subject, ...rest].join("\n") };
    for (const match of part.slice(cut).matchAll(/^\+.*EXPORT_?\w*\s*\(\s*(\w+)/gm)) {
      const symbol = match[1] ?? "";
      if (!commits.has(symbol)) commits.set(symbol, commit);
    }
  }
  return commits;
}
