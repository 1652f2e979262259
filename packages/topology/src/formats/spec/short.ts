import { INITIATOR_TYPES, LINK_MEDIA, MEMORY_KINDS } from "../../model/facts.ts";
import { type SpecOrigin, shown, specError } from "./field.ts";
import { NODES_MAX } from "./limits.ts";
import { Scanner, type Word } from "./scanner.ts";
import { offer } from "./suggest.ts";
import type { MapEntry, MapValue, Position, Value } from "./value.ts";

/** Items of a short spec, at most. */
const ITEMS_MAX = 256;

const DEVICE_TYPES = INITIATOR_TYPES.filter((type) => type !== "cpu");
const ITEM_NAMES: readonly string[] = ["node", ...DEVICE_TYPES];

/** Fields of an item, each with how its value is read into fields of the long form. */
type FieldReader = (word: Word, into: Entries, short: Short) => void;

const NODE_FIELDS: Readonly<Record<string, FieldReader>> = {
  cpus: plain("cpus"),
  threads: plain("threads"),
  package: plain("package"),
  near: plain("near"),
  tier: plain("tier"),
  ...Object.fromEntries(MEMORY_KINDS.map((kind) => [kind, memoryOf(kind)])),
};

const DEVICE_FIELDS: Readonly<Record<string, FieldReader>> = {
  near: plain("near"),
  label: plain("label"),
  pci: plain("pci"),
  pcie: (word, into) => into.set("pcie", word, word.text.replace(/^(gen\d)(x\d+)$/i, "$1 $2")),
  memory: (word, into, short) => short.nested(into, "memory", word, short.sized),
  via: (word, into, short) => short.nested(into, "attach", word, short.overMedium),
  peers: (word, into, short) => short.nested(into, "peers", word, short.overMedium),
  cpu: (word, into, short) => short.nested(into, "cpu-access", word, short.overMedium),
  to: (word, into, short) => short.reach(into, word),
};

function plain(name: string): FieldReader {
  return (word, into) => into.set(name, word, word.text);
}

function memoryOf(kind: string): FieldReader {
  return (word, into, short) => short.memory(into, kind, word);
}

/** Reads a short spec into the same values as a YAML spec has. */
export function parseShort(text: string, origin: SpecOrigin): Value {
  return new Short(text, origin).spec();
}

/** The fields of a mapping that is being made. */
class Entries {
  readonly map = new Map<string, MapEntry>();
  readonly origin: SpecOrigin;

  constructor(origin: SpecOrigin) {
    this.origin = origin;
  }

  set(name: string, word: Word, text: string): void {
    this.put(name, word, { kind: "scalar", text, at: word.at });
  }

  put(name: string, word: Word, value: Value): void {
    if (this.map.has(name))
      throw specError(this.origin, "", word.at, `${name} is there twice; leave one out`);
    this.map.set(name, { keyAt: word.at, value });
  }

  toValue(at: Position): MapValue {
    return { kind: "map", entries: this.map, at };
  }
}

class Short {
  readonly #origin: SpecOrigin;
  readonly #scanner: Scanner;
  readonly #nodes: Value[] = [];
  /** Memories of nodes beyond their first: nodes of their own, after all others. */
  readonly #moreNodes: Value[] = [];
  readonly #devices: Value[] = [];
  readonly #made = new Map<string, number>();

  constructor(text: string, origin: SpecOrigin) {
    this.#origin = origin;
    this.#scanner = new Scanner(text, origin);
  }

  spec(): Value {
    const at: Position = { line: 1, column: 1 };
    for (let items = 0; !this.#scanner.atEnd(); items++) {
      if (items >= ITEMS_MAX)
        this.#fail(this.#scanner.at(), `expected at most ${ITEMS_MAX} items, but there are more`);
      this.#item();
    }
    const entries = new Map<string, MapEntry>();
    const lists: [string, Value[]][] = [
      ["nodes", [...this.#nodes, ...this.#moreNodes]],
      ["devices", this.#devices],
    ];
    for (const [name, items] of lists) {
      if (items.length > 0) entries.set(name, { keyAt: at, value: { kind: "list", items, at } });
    }
    if (entries.size === 0)
      this.#fail(at, "expected items such as node:2{cpus=8,dram=64GiB}, but there are none");
    return { kind: "map", entries, at };
  }

  #fail(at: Position, problem: string): never {
    throw specError(this.#origin, "", at, problem);
  }

  #item(): void {
    const name = this.#scanner.word("the name of an item such as node or gpu");
    if (!ITEM_NAMES.includes(name.text)) {
      this.#fail(name.at, `there is no item ${shown(name.text)}${offer(name.text, ITEM_NAMES)}`);
    }
    const count = this.#scanner.accept(":") ? this.#count() : 1;
    const entries = new Entries(this.#origin);
    const first = this.#made.get(name.text) ?? 0;
    this.#made.set(name.text, first + count);
    this.#numbered = { count, first };
    if (count > 1) entries.set("count", name, String(count));
    const readers = name.text === "node" ? NODE_FIELDS : DEVICE_FIELDS;
    if (this.#scanner.accept("{")) {
      do {
        const field = this.#scanner.word("a field");
        const reader = Object.hasOwn(readers, field.text) ? readers[field.text] : undefined;
        if (reader === undefined) {
          this.#fail(
            field.at,
            `${name.text} has no field ${shown(field.text)}${offer(field.text, Object.keys(readers))}`,
          );
        }
        this.#scanner.expect("=");
        reader(this.#scanner.value(field.text), entries, this);
      } while (this.#scanner.accept(","));
      this.#scanner.expect("}");
    }
    this.#scanner.separator();
    this.#finish(name, entries);
  }

  #numbered: { count: number; first: number } = { count: 1, first: 0 };

  #count(): number {
    const word = this.#scanner.word("how many");
    const count = /^\d{1,6}$/.test(word.text) ? Number(word.text) : 0;
    if (count < 1 || count > NODES_MAX) {
      this.#fail(word.at, `expected a number from 1 to ${NODES_MAX}, but got ${shown(word.text)}`);
    }
    return count;
  }

  #finish(name: Word, entries: Entries): void {
    const { count, first } = this.#numbered;
    if (name.text === "node") {
      if (!entries.map.has("kind")) entries.set("size", name, "none");
      this.#nodes.push(entries.toValue(name.at));
      return;
    }
    entries.set("id", name, count > 1 ? `${name.text}<i+${first}>` : `${name.text}${first}`);
    entries.set("type", name, name.text);
    this.#devices.push(entries.toValue(name.at));
  }

  /** `dram=256GiB@205GB/s/95ns` of a node: its own memory, or one more near it. */
  memory(into: Entries, kind: string, word: Word): void {
    const { count, first } = this.#numbered;
    const own = !into.map.has("kind");
    const entries = own ? into : new Entries(this.#origin);
    entries.set("kind", word, kind);
    this.sized(entries, word);
    if (own) return;
    if (count > 1) {
      entries.set("count", word, String(count));
      entries.set("near", word, `<i+${first}>`);
    } else entries.set("near", word, String(first));
    this.#moreNodes.push(entries.toValue(word.at));
  }

  /** A field of the long form that is a mapping itself. */
  nested(into: Entries, name: string, word: Word, read: (entries: Entries, word: Word) => void): void {
    const entries = new Entries(this.#origin);
    read.call(this, entries, word);
    into.put(name, word, entries.toValue(word.at));
  }

  /** `SIZE`, `SIZE@PERFORMANCE`, or for a node `SIZE@PERFORMANCE@REMOTE PERFORMANCE`. */
  sized(into: Entries, word: Word): void {
    const [size, performance] = word.split("@");
    into.set("size", size, size.text);
    if (performance === undefined) return;
    const [local, remote] = performance.split("@");
    this.performance(into, local);
    if (remote !== undefined) this.nested(into, "remote", remote, this.performance);
  }

  /** `MEDIUM`, `MEDIUM@PERFORMANCE` or `PERFORMANCE`. */
  overMedium(into: Entries, word: Word): void {
    const [medium, performance] = word.split("@");
    if (performance === undefined && /^\d/.test(word.text)) {
      this.performance(into, word);
      return;
    }
    if (!LINK_MEDIA.some((name) => name === medium.text)) {
      this.#fail(medium.at, `there is no medium ${shown(medium.text)}${offer(medium.text, LINK_MEDIA)}`);
    }
    into.set("medium", medium, medium.text);
    if (performance !== undefined) this.performance(into, performance);
  }

  /** `BANDWIDTH/LATENCY`, or one of them, then perhaps `/dDISTANCE`; the `/s` of a bandwidth is no separator. */
  performance(into: Entries, word: Word): void {
    const parts = word.parts("/").reduce<Word[]>((joined, part) => {
      const last = joined.at(-1);
      if (part.text !== "s" || last === undefined) joined.push(part);
      else joined.splice(-1, 1, last.with(`${last.text}/s`));
      return joined;
    }, []);
    for (const part of parts) {
      if (/^d\d/.test(part.text)) into.set("distance", part, part.text.slice(1));
      else if (/(\/s|ps)$/.test(part.text)) into.set("bandwidth", part, part.text);
      else if (/s$/.test(part.text)) into.set("latency", part, part.text);
      else {
        this.#fail(
          part.at,
          `expected a bandwidth and a latency such as 205GB/s/95ns, or one of them, but got ${shown(part.text)}`,
        );
      }
    }
  }

  /** `to=node0+node1@PERFORMANCE`, as often as wanted. */
  reach(into: Entries, word: Word): void {
    const [to, performance] = word.split("@");
    const entries = new Entries(this.#origin);
    const items = to.parts("+").map((part): Value => ({ kind: "scalar", text: part.text, at: part.at }));
    entries.put("to", to, { kind: "list", items, at: to.at });
    if (performance !== undefined) this.performance(entries, performance);
    const known = into.map.get("reaches")?.value;
    const before = known?.kind === "list" ? known.items : [];
    into.map.delete("reaches");
    into.put("reaches", word, { kind: "list", items: [...before, entries.toValue(word.at)], at: word.at });
  }
}
