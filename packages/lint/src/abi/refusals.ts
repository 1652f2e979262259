import { spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { AbiFinding } from "./finding.ts";

/** What grep may answer. */
const BYTES_MAX = 1 << 28;
/** Files of code that name one of the structs; more are not read. */
const FILES_MAX = 5000;

/** A place of the old kernel's code that looks whether a reserved field is zero. */
interface Refusal {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

/**
 * Looks into the code of the old kernel for who refuses reserved fields that are not zero: where it does, a program
 * cannot have passed anything else, and the field may take on a meaning. `where` is a source tree, or a revision of the
 * repository; without grep, or without code, nothing changes.
 */
export function withRefusals(
  findings: readonly AbiFinding[],
  where: string,
  repository: string,
): readonly AbiFinding[] {
  const wanted = findings.filter(({ rule }) => rule === "reserved-used-without-zero-rule");
  const structs = [...new Set(wanted.map(({ name }) => structOf(name)))];
  if (structs.length === 0) return findings;
  const code = isFolder(where) ? new FolderCode(where) : new RevisionCode(where, repository);
  const texts = code.filesWith(structs).map((path) => ({ path, text: code.text(path) }));
  return findings.map((finding) => {
    if (finding.rule !== "reserved-used-without-zero-rule") return finding;
    const found = refusalOf(structOf(finding.name), fieldOf(finding.name), texts);
    if (found === undefined) return finding;
    return {
      ...finding,
      rule: "reserved-used",
      verdict: "compatible",
      message: `${finding.message.replace(/; nothing in the old header.*/, "")}; the old kernel looked whether it is zero (${found.path}:${found.line}: ${found.text})`,
      who: "",
    };
  });
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function structOf(name: string): string {
  return /^struct (\w+)/.exec(name)?.[1] ?? "";
}

function fieldOf(name: string): string {
  return (name.split(": ")[1] ?? "").split(".").at(-1)?.replace(/\[\]$/, "") ?? "";
}

interface Code {
  filesWith(words: readonly string[]): readonly string[];
  text(path: string): string;
}

class FolderCode implements Code {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root.replace(/\/include\/uapi\/?$/, "");
  }

  filesWith(words: readonly string[]): readonly string[] {
    const patterns = words.flatMap((word) => ["-e", `struct ${word}`]);
    const done = spawnSync(
      "grep",
      ["-rlFI", "--include=*.c", "--include=*.h", "--exclude-dir=tools", ...patterns, "."],
      {
        cwd: this.#root,
        encoding: "utf8",
        maxBuffer: BYTES_MAX,
      },
    );
    return list(done.stdout).map((path) => path.replace(/^\.\//, ""));
  }

  text(path: string): string {
    return readFileSync(join(this.#root, path), "latin1");
  }
}

class RevisionCode implements Code {
  readonly #revision: string;
  readonly #repository: string;

  constructor(revision: string, repository: string) {
    this.#revision = revision.split(":")[0] ?? revision;
    this.#repository = repository;
  }

  filesWith(words: readonly string[]): readonly string[] {
    const patterns = words.flatMap((word) => ["-e", `struct ${word}`]);
    const done = spawnSync(
      "git",
      ["-C", this.#repository, "grep", "-lFI", ...patterns, this.#revision, "--", "*.c", "*.h"],
      { encoding: "utf8", maxBuffer: BYTES_MAX },
    );
    return list(done.stdout).map((path) => path.slice(this.#revision.length + 1));
  }

  text(path: string): string {
    const done = spawnSync("git", ["-C", this.#repository, "show", `${this.#revision}:${path}`], {
      encoding: "latin1",
      maxBuffer: BYTES_MAX,
    });
    return done.stdout ?? "";
  }
}

function list(text: string | null): readonly string[] {
  return (text ?? "")
    .split("\n")
    .filter((path) => path !== "" && !/(^|\/)include\/uapi\//.test(path))
    .sort()
    .slice(0, FILES_MAX);
}

/** A condition on the field of a variable, or member, of that struct. */
function refusalOf(
  struct: string,
  field: string,
  texts: readonly { readonly path: string; readonly text: string }[],
): Refusal | undefined {
  for (const { path, text } of texts) {
    const names = new Set<string>();
    for (const [, name] of text.matchAll(
      new RegExp(`\\bstruct ${struct}\\b[\\s*]*(?:__user\\s*\\*\\s*)?(\\w+)\\s*[;,=)\\[]`, "g"),
    ))
      if (name !== undefined) names.add(name);
    if (names.size === 0) continue;
    const use = new RegExp(
      `\\b(?:${[...names].join("|")})\\s*(?:->|\\.)\\s*(?:\\w+\\s*\\.\\s*)*${field}\\b`,
      "g",
    );
    for (const match of text.matchAll(use)) {
      const start = Math.max(...[";", "{", "}"].map((mark) => text.lastIndexOf(mark, match.index)));
      const end = text.slice(match.index).search(/[;{]/);
      const statement = text.slice(start + 1, end < 0 ? match.index + 80 : match.index + end);
      const line = text.slice(0, match.index).split("\n").length;
      const plain = statement
        .replace(/\/\*[\s\S]*?\*\//g, " ")
        .replace(/\s+/g, " ")
        .trim();
      if (isCheck(plain)) return { path, line, text: plain.slice(0, 90) };
    }
  }
  return undefined;
}

/** It is asked for, and nothing is written into it. */
function isCheck(statement: string): boolean {
  if (/\b(copy_(to|from|in)_user|(put|get)_user|memcpy|memset)\b/.test(statement)) return false;
  return (
    /^(?:\} )?(?:else )?(?:if|while|return|WARN\w*) ?\(|^return\b/.test(statement) ||
    /\b(memchr_inv|mem_is_zero)\s*\(/.test(statement)
  );
}
