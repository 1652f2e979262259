import { isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, type Node, parseDocument } from "yaml";
import { type SpecOrigin, shown, specError } from "./field.ts";
import { SPEC_DEPTH_MAX, SPEC_TOKENS_MAX, SPEC_VALUES_MAX } from "./limits.ts";
import type { MapEntry, Position, Value } from "./value.ts";

const START: Position = { line: 1, column: 1 };

/** Reads YAML into values with places. Throws HmsError SPEC_INVALID for text that is no YAML, or too much of it. */
export function parseYaml(text: string, origin: SpecOrigin): Value {
  boundTokens(text, origin);
  const lines = new LineCounter();
  const document = parseDocument(text, {
    // Every scalar is text: the field it stands in says what to make of it.
    schema: "failsafe",
    lineCounter: lines,
    prettyErrors: false,
    // Done in Walk, where it is not quadratic.
    uniqueKeys: false,
    logLevel: "error",
  });
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(Math.min(offset, text.length));
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const [error] = [...document.errors, ...document.warnings];
  if (error !== undefined) {
    const reason = error.code === "RESOURCE_EXHAUSTION" ? "it is nested too deeply" : sentence(error.message);
    throw specError(origin, "", at(error.pos[0]), `this is not the YAML of a spec: ${reason}`);
  }
  if (document.contents === null)
    throw specError(origin, "", START, "expected a spec, but the text is empty");
  return new Walk(origin, at).value(document.contents, "", 0);
}

/** Words are counted before they are parsed: parsing costs far more time and memory. */
function boundTokens(text: string, origin: SpecOrigin): void {
  let count = 0;
  for (const _ of new Lexer().lex(text)) {
    if (++count > SPEC_TOKENS_MAX) {
      throw specError(
        origin,
        "",
        START,
        `expected at most ${SPEC_TOKENS_MAX} words and marks, but there are more`,
      );
    }
  }
}

/** The first sentence of a message of the `yaml` package, to stand after a colon. */
function sentence(message: string): string {
  const [first = message] = message.split(/[\n;]/);
  return first.trim().replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());
}

/** Goes through a YAML document once, unfolding aliases, within the bounds. */
class Walk {
  readonly #origin: SpecOrigin;
  readonly #at: (offset: number) => Position;
  readonly #anchors = new Map<string, Node>();
  #count = 0;

  constructor(origin: SpecOrigin, at: (offset: number) => Position) {
    this.#origin = origin;
    this.#at = at;
  }

  value(node: unknown, path: string, depth: number): Value {
    const position = this.#position(node);
    const fail = (problem: string): never => {
      throw specError(this.#origin, path, position, problem);
    };
    if (++this.#count > SPEC_VALUES_MAX) {
      fail(`expected at most ${SPEC_VALUES_MAX} values (those behind aliases counted), but there are more`);
    }
    if (depth > SPEC_DEPTH_MAX) fail(`expected at most ${SPEC_DEPTH_MAX} levels, but there are more`);
    if (isAlias(node)) {
      const anchored = this.#anchors.get(node.source);
      if (anchored === undefined) return fail(`there is no anchor &${node.source} before this alias`);
      return this.value(anchored, path, depth + 1);
    }
    if ((isScalar(node) || isMap(node) || isSeq(node)) && node.anchor !== undefined) {
      this.#anchors.set(node.anchor, node);
    }
    if (isScalar(node) || node === null) {
      const text = isScalar(node) && typeof node.value === "string" ? node.value : "";
      return { kind: "scalar", text, at: position };
    }
    if (isSeq(node)) {
      const items = node.items.map((item, i) => this.value(item, `${path}[${i}]`, depth + 1));
      return { kind: "list", items, at: position };
    }
    if (!isMap(node)) return fail("expected a value, a list or a mapping");
    const entries = new Map<string, MapEntry>();
    for (const { key, value } of node.items) {
      const keyAt = this.#position(key);
      if (!isScalar(key) || typeof key.value !== "string") {
        throw specError(this.#origin, path, keyAt, "expected a name before the colon");
      }
      if (entries.has(key.value)) {
        throw specError(this.#origin, path, keyAt, `${shown(key.value)} is there twice; leave one out`);
      }
      const inside = path === "" ? key.value : `${path}.${key.value}`;
      entries.set(key.value, {
        keyAt,
        value: value === null ? empty(keyAt) : this.value(value, inside, depth + 1),
      });
    }
    return { kind: "map", entries, at: position };
  }

  #position(node: unknown): Position {
    const range = isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range : null;
    return range === null || range === undefined ? START : this.#at(range[0]);
  }
}

function empty(at: Position): Value {
  return { kind: "scalar", text: "", at };
}
