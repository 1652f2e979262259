import { readFileSync } from "node:fs";
import { HmsError } from "@hms/topology";
import { isMap, isScalar, LineCounter, type Node, parseDocument } from "yaml";
import type { AbiFinding, AbiRule, Verdict } from "./finding.ts";

/** A golden file larger than this is none. */
const BYTES_MAX = 64 << 20;

/** A value of a golden file that knows its line. */
interface Place {
  readonly node: Node | null;
  readonly line: number;
}

/** What something may not lose or change without breaking those that know it, and which rule says so. */
const IDENTITY: Readonly<Record<string, AbiRule>> = {
  id: "value-changed",
  value: "value-changed",
  kind: "type-changed",
  type: "type-changed",
  of: "type-changed",
  unit: "type-changed",
};

/**
 * Compares two golden files of hms's own interface (`abi/core.json`): objects, methods, attributes, types and values by
 * their names. What is gone, renumbered, retyped, reordered or stricter breaks programs; what is new breaks none.
 *
 * @throws HmsError `GOLDEN_INVALID` if one of them is no golden file.
 */
export function compareGolden(oldPath: string, newPath: string): readonly AbiFinding[] {
  const comparison = new Comparison(oldPath, newPath);
  comparison.compare("", open(oldPath), open(newPath));
  return comparison.findings;
}

const counters = new WeakMap<Node, LineCounter>();

function open(path: string): Place {
  const text = readFileSync(path, "utf8");
  const lines = new LineCounter();
  const document = text.length > BYTES_MAX ? undefined : parseDocument(text, { lineCounter: lines });
  const root = document?.contents;
  if (document === undefined || document.errors.length > 0 || !isMap(root) || !isMap(root.get("registry")))
    throw new HmsError(
      "GOLDEN_INVALID",
      "EINVAL",
      `Read ${path}: it is no golden file, which is JSON or YAML with a registry in it${document?.errors[0] === undefined ? "" : ` (${document.errors[0].message.split("\n")[0]})`}. Give two golden files, or two sets of headers.`,
    );
  const registry = root.get("registry", true) as unknown as Node;
  mark(registry, lines);
  return placeOf(registry, lines);
}

function mark(node: Node, lines: LineCounter): void {
  counters.set(node, lines);
}

function placeOf(node: Node, lines: LineCounter): Place {
  return { node, line: lines.linePos(node.range?.[0] ?? 0).line };
}

/** The members of a map with the lines of their names. */
function membersOf(place: Place, lines: LineCounter): ReadonlyMap<string, Place> {
  const members = new Map<string, Place>();
  if (place.node === null || !isMap(place.node)) return members;
  for (const { key, value } of place.node.items) {
    const line = lines.linePos((key as Node).range?.[0] ?? 0).line;
    members.set(String(isScalar(key) ? key.value : key), { node: value as Node | null, line });
  }
  return members;
}

class Comparison {
  readonly findings: AbiFinding[] = [];
  readonly #paths: readonly [string, string];
  #lines: readonly [LineCounter, LineCounter] = [new LineCounter(), new LineCounter()];

  constructor(oldPath: string, newPath: string) {
    this.#paths = [oldPath, newPath];
  }

  compare(name: string, old: Place, now: Place): void {
    if (name === "" && old.node !== null && now.node !== null)
      this.#lines = [
        counters.get(old.node) ?? new LineCounter(),
        counters.get(now.node) ?? new LineCounter(),
      ];
    const [before, after] = [membersOf(old, this.#lines[0]), membersOf(now, this.#lines[1])];
    this.#order(name, before, after);
    this.#reuse(name, before, after);
    for (const [key, value] of before) {
      const same = after.get(key);
      const path = name === "" ? key : `${name}.${key}`;
      if (same === undefined) this.#gone(path, key, value);
      else if (isMap(value.node) && isMap(same.node)) this.compare(path, value, same);
      else this.#scalar(name, key, value, same);
    }
    for (const [key, value] of after) if (!before.has(key)) this.#born(name, key, value, isMap(value.node));
  }

  #gone(path: string, key: string, old: Place): void {
    if (!isMap(old.node)) {
      this.#bound(path, key, old, null);
      return;
    }
    this.#add(
      "name-removed",
      "breaks binaries",
      path,
      old,
      null,
      "it is gone",
      "Programs that call it or read it get an error or nothing.",
    );
  }

  #born(name: string, key: string, now: Place, whole: boolean): void {
    const path = name === "" ? key : `${name}.${key}`;
    if (!whole) {
      this.#bound(path, key, null, now);
      return;
    }
    const required = isMap(now.node) && now.node.get("required") === true && /\.inputs$/.test(name);
    this.#add(
      "added",
      required ? "breaks binaries" : "compatible",
      path,
      null,
      now,
      required ? "it is new and required" : "it is new",
      required ? "Programs of before do not send it, and are refused." : "",
    );
  }

  #scalar(name: string, key: string, old: Place, now: Place): void {
    const [before, after] = [text(old), text(now)];
    if (before === after) return;
    const rule = IDENTITY[key];
    const path = name === "" ? key : name;
    if (rule !== undefined)
      this.#add(
        rule,
        "breaks binaries",
        path,
        old,
        now,
        `${key} ${before} became ${after}`,
        "Programs built against the old one mean something else by it.",
      );
    else this.#bound(`${name}.${key}`, key, old, now);
  }

  /** Limits and marks: whether less is taken, or less is promised, than before. */
  #bound(path: string, key: string, old: Place | null, now: Place | null): void {
    if (!/^(min|max|minBytes|maxBytes|maxCount|required|hint|reserved|since|revision)$/.test(key)) return;
    const [before, after] = [text(old), text(now)];
    const output = path.includes(".outputs.");
    const [a, b] = [Number(before ?? Number.NaN), Number(after ?? Number.NaN)];
    const lower = /^min/.test(key);
    const wider = lower ? Number.isNaN(b) || b < a : Number.isNaN(b) || b > a;
    let verdict: Verdict = "risk";
    let who = "What follows from it has to be read.";
    if (key === "revision") verdict = b >= a ? "compatible" : "breaks binaries";
    else if (/^(min|max)/.test(key)) verdict = wider === output ? "breaks binaries" : "compatible";
    else if (key === "required") verdict = (after === "true") === output ? "compatible" : "breaks binaries";
    else if (key === "since" || key === "hint") verdict = "breaks binaries";
    if (verdict === "compatible") who = "";
    else if (verdict === "breaks binaries")
      who = output
        ? "Programs of before do not expect what may come now."
        : "Programs of before send what is refused now.";
    this.#add(
      "value-changed",
      verdict,
      path,
      old,
      now,
      `${before ?? "nothing"} became ${after ?? "nothing"}`,
      who,
    );
  }

  /** Fields of a struct follow each other in memory. */
  #order(name: string, before: ReadonlyMap<string, Place>, after: ReadonlyMap<string, Place>): void {
    if (!name.endsWith(".fields")) return;
    const now = [...after.keys()];
    const index = [...before.keys()].findIndex((key, place) => now[place] !== key && after.has(key));
    const key = [...before.keys()][index];
    if (key === undefined) return;
    this.#add(
      "field-moved",
      "breaks binaries",
      `${name}.${key}`,
      before.get(key) ?? null,
      after.get(key) ?? null,
      `it is field ${now.indexOf(key) + 1} and was ${index + 1}`,
      "Programs built against the old one read and write it at the old place.",
    );
  }

  #reuse(name: string, before: ReadonlyMap<string, Place>, after: ReadonlyMap<string, Place>): void {
    for (const key of ["id", "value"]) {
      const owners = new Map<string, string>();
      for (const [one, { node }] of before)
        if (isMap(node) && node.has(key)) owners.set(String(node.get(key)), one);
      for (const [one, place] of after) {
        if (before.has(one) || !isMap(place.node) || !place.node.has(key)) continue;
        const owner = owners.get(String(place.node.get(key)));
        if (owner !== undefined)
          this.#add(
            "value-changed",
            "breaks binaries",
            `${name}.${one}`,
            before.get(owner) ?? null,
            place,
            `it has the ${key} that ${owner} had`,
            `Programs that mean ${owner} get ${one}.`,
          );
      }
    }
  }

  #add(
    rule: AbiRule,
    verdict: Verdict,
    name: string,
    old: Place | null,
    now: Place | null,
    message: string,
    who: string,
  ): void {
    const [oldPath, newPath] = this.#paths;
    this.findings.push({
      rule,
      verdict,
      name,
      old: old === null ? null : { path: oldPath, line: old.line },
      new: now === null ? null : { path: newPath, line: now.line },
      message,
      who,
      architectures: [],
    });
  }
}

function text(place: Place | null): string | undefined {
  if (place === null) return undefined;
  return isScalar(place.node) ? String(place.node.value) : JSON.stringify(place.node?.toJSON() ?? null);
}
