import { HmsError } from "@hms/topology";
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import { suggestion } from "./nearest.ts";
import { LIMITS } from "./vocabulary.ts";

/** One key of a mapping with its value. */
export interface Entry {
  readonly key: string;
  readonly keyNode: Node | null;
  readonly value: Node | null;
}

/** A case file's text with the places of what is in it; every complaint about the file is made here. */
export class CaseSource {
  readonly file: string;
  readonly #lines = new LineCounter();
  readonly #document: Document.Parsed;

  constructor(file: string, text: string) {
    this.file = file;
    if (Buffer.byteLength(text) > LIMITS.fileBytes) {
      this.failAtLine(1, `a case file has at most ${LIMITS.fileBytes} bytes; split the case`);
    }
    const documents = parseAllDocuments(text, {
      lineCounter: this.#lines,
      uniqueKeys: true,
      stringKeys: true,
    });
    const first = Array.isArray(documents) ? documents[0] : undefined;
    if (first === undefined)
      this.failAtLine(1, "the file is empty; it must hold one case: name, devices, steps");
    const [problem] = first.errors;
    if (problem !== undefined) {
      const text = problem.message.split("\n", 1)[0]?.replace(/ at line \d+, column \d+:?$/, "") ?? "";
      this.failAtLine(problem.linePos?.[0].line ?? 1, `not valid YAML: ${text}`);
    }
    const second = Array.isArray(documents) ? documents[1] : undefined;
    if (second !== undefined) {
      this.failAtLine(
        this.#lines.linePos(second.range[0]).line,
        "a file holds one case, not several documents",
      );
    }
    this.#document = first;
  }

  /** The whole document. */
  get root(): Node | null {
    return this.#document.contents;
  }

  /** The line of a node, from 1. */
  lineOf(node: Node | null): number {
    const offset = node?.range?.[0];
    return offset === undefined ? 1 : this.#lines.linePos(offset).line;
  }

  /** Ends the reading with one sentence that names file and line. */
  fail(node: Node | null, message: string): never {
    this.failAtLine(this.lineOf(node), message);
  }

  failAtLine(line: number, message: string): never {
    throw new HmsError("CASE_INVALID", "EINVAL", `${this.file}:${line}: ${message}`);
  }

  /** Complains about a name that is not among the allowed ones. */
  failUnknown(node: Node | null, what: string, given: string, allowed: readonly string[]): never {
    this.fail(node, `unknown ${what} "${given}": ${suggestion(given, allowed)}`);
  }

  /** A node as a mapping's entries. */
  entries(node: Node | null, what: string): readonly Entry[] {
    const map = this.#resolve(node);
    if (!isMap(map)) this.fail(node, `${what} must be a mapping, but is ${describe(map)}`);
    return (map as YAMLMap<Node, Node | null>).items.map((pair) => {
      if (!isScalar(pair.key) || typeof pair.key.value !== "string") {
        this.fail(pair.key, `a key of ${what} must be a name, but is ${describe(pair.key)}`);
      }
      return { key: pair.key.value, keyNode: pair.key, value: pair.value };
    });
  }

  /** A node as a list's items. */
  items(node: Node | null, what: string): readonly (Node | null)[] {
    const list = this.#resolve(node);
    if (!isSeq(list)) this.fail(node, `${what} must be a list, but is ${describe(list)}`);
    return (list as YAMLSeq<Node | null>).items;
  }

  /** A node as a single value with the text it was written as. */
  scalar(node: Node | null, what: string): { readonly value: unknown; readonly text: string } {
    const scalar = this.#resolve(node);
    if (!isScalar(scalar)) this.fail(node, `${what} must be a single value, but is ${describe(scalar)}`);
    return {
      value: scalar.value,
      text: typeof scalar.value === "string" ? scalar.value : (scalar.source ?? String(scalar.value)),
    };
  }

  #resolve(node: Node | null): Node | null {
    return isAlias(node) ? (node.resolve(this.#document) ?? null) : node;
  }
}

/** What a node is, for a person. */
function describe(node: Node | null): string {
  if (isMap(node)) return "a mapping";
  if (isSeq(node)) return "a list";
  if (isScalar(node) && node.value !== null) return JSON.stringify(node.value) ?? "a value";
  return "empty";
}
