// The golden file holds all of the interface that there ever was: ids, types, bounds, what is required, since when.
// Nothing in it may change in a way that a client or a service could notice; what is new is appended to it.
import { layoutOf } from "./describe.ts";
import type {
  AttributeSpec,
  AttributesSpec,
  FieldSpec,
  ItemSpec,
  MethodSpec,
  NamedType,
  ObjectSpec,
  Registry,
  StructType,
  TypeSpec,
  ValueSpec,
} from "./spec.ts";

export interface Golden {
  /** The newest revision that a release of hms carried; 0 before the first. */
  readonly released: number;
  /** The registry with every `since` and without its documentation. */
  readonly registry: Registry;
}

/** How a registry differs from the golden file. */
export interface Difference {
  /** What may not be: removed, renumbered, reused, retyped, made stricter. */
  readonly broken: readonly string[];
  /** What is not in the golden file yet. */
  readonly added: readonly string[];
}

type Attributes<T> = Readonly<Record<string, T>>;

function mapped<T, U>(entries: Attributes<T>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(entries).map(([name, value]) => [name, change(value)]));
}

/** The golden file keeps no documentation, which may change; a registry has some everywhere. */
const NO_DOC = "-";

/** A registry as the golden file holds it. */
export function withoutDocs(registry: Registry): Registry {
  return {
    revision: registry.revision,
    namespaces: registry.namespaces,
    types: mapped(registry.types, (type) => plainType(type)),
    objects: mapped(registry.objects, (object) => {
      const since = object.since ?? 1;
      return {
        id: object.id,
        since,
        doc: NO_DOC,
        methods: mapped(object.methods, (method) => plainMethod(method, since)),
      };
    }),
  };
}

function plainMethod(method: MethodSpec, above: number): MethodSpec {
  const since = method.since ?? above;
  const plain = (attributes: AttributesSpec): AttributesSpec =>
    mapped(attributes, (attribute) => ({ ...attribute, since: attribute.since ?? since, doc: NO_DOC }));
  return { id: method.id, since, doc: NO_DOC, inputs: plain(method.inputs), outputs: plain(method.outputs) };
}

function plainType(type: NamedType): NamedType {
  const since = type.since ?? 1;
  const plain = <T extends { readonly since?: number }>(entries: Attributes<T>): Record<string, T> =>
    mapped(entries, (entry) => ({ ...entry, since: entry.since ?? since, doc: NO_DOC }));
  if (type.kind === "struct") return { ...type, since, doc: NO_DOC, fields: plain(type.fields) };
  if (type.kind === "nested") return { ...type, since, doc: NO_DOC, attributes: plain(type.attributes) };
  return { ...type, since, doc: NO_DOC, values: plain(type.values) };
}

/** A registry as it was with a revision: what came later is left out. */
export function registryAt(registry: Registry, revision: number): Registry {
  const old = <T extends { readonly since?: number }>(entries: Attributes<T>): Record<string, T> =>
    Object.fromEntries(Object.entries(entries).filter(([, { since }]) => (since ?? 1) <= revision));
  const plain = withoutDocs(registry);
  return {
    revision: Math.min(revision, plain.revision),
    namespaces: plain.namespaces,
    types: mapped(old(plain.types), (type): NamedType => {
      if (type.kind === "struct") return { ...type, fields: old(type.fields) };
      if (type.kind === "nested") return { ...type, attributes: old(type.attributes) };
      return { ...type, values: old(type.values) };
    }),
    objects: mapped(old(plain.objects), (object) => ({
      ...object,
      methods: mapped(old(object.methods), (method) => ({
        ...method,
        inputs: old(method.inputs),
        outputs: old(method.outputs),
      })),
    })),
  };
}

/** Compares a registry with all that there ever was. */
export function compareWithGolden(golden: Golden, registry: Registry): Difference {
  const comparison = new Comparison(golden);
  comparison.registry(golden.registry, withoutDocs(registry));
  // A nested type is compared as inputs and as outputs.
  return { broken: [...new Set(comparison.broken)], added: [...new Set(comparison.added)] };
}

class Comparison {
  readonly broken: string[] = [];
  readonly added: string[] = [];
  readonly #golden: Golden;

  constructor(golden: Golden) {
    this.#golden = golden;
  }

  registry(was: Registry, is: Registry): void {
    if (is.revision < was.revision)
      this.#broke("the registry", `is of revision ${is.revision} after ${was.revision}`);
    for (const [name, number] of Object.entries(was.namespaces))
      if (is.namespaces[name] !== number)
        this.#broke(`namespace ${name}`, `was ${number}, is ${is.namespaces[name]}`);
    this.#entries("", was.types, is.types, (place, a, b) => this.#type(place, a, b));
    this.#entries("", was.objects, is.objects, (place, a, b) => this.#object(place, a, b));
    for (const name of Object.keys(is.namespaces))
      if (was.namespaces[name] === undefined) this.added.push(`namespace ${name}`);
  }

  #broke(place: string, what: string): void {
    this.broken.push(`${place} ${what}`);
  }

  /** What was there must be there, as it was; what is new must say that it came later than what was released. */
  #entries<T extends { readonly since?: number }>(
    above: string,
    was: Attributes<T>,
    is: Attributes<T>,
    compare: (place: string, was: T, is: T) => void,
  ): void {
    for (const [name, old] of Object.entries(was)) {
      const place = above === "" ? name : `${above}.${name}`;
      const now = is[name];
      if (now === undefined) this.#broke(place, "was removed");
      else {
        if (now.since !== old.since) this.#broke(place, `came with revision ${old.since}, not ${now.since}`);
        compare(place, old, now);
      }
    }
    for (const [name, now] of Object.entries(is)) {
      if (was[name] !== undefined) continue;
      const place = above === "" ? name : `${above}.${name}`;
      this.added.push(place);
      if ((now.since ?? 1) <= this.#golden.released)
        this.#broke(place, `is new, but says that it came with the released revision ${now.since}`);
    }
  }

  #id(place: string, was: { readonly id: number }, is: { readonly id: number }): void {
    if (was.id !== is.id) this.#broke(place, `was renumbered from ${was.id} to ${is.id}`);
  }

  /** An id of something that was there may not be that of something else. */
  #reused(
    place: string,
    was: Attributes<{ readonly id: number }>,
    is: Attributes<{ readonly id: number }>,
  ): void {
    const owners = new Map(Object.entries(was).map(([name, { id }]) => [id, name]));
    for (const [name, { id }] of Object.entries(is)) {
      const owner = owners.get(id);
      if (owner !== undefined && owner !== name)
        this.#broke(`${place}.${name}`, `reuses the id ${id} of ${owner}`);
    }
  }

  #object(place: string, was: ObjectSpec, is: ObjectSpec): void {
    this.#id(place, was, is);
    this.#reused(place, was.methods, is.methods);
    this.#entries(place, was.methods, is.methods, (name, a, b) => this.#method(name, a, b));
  }

  #method(place: string, was: MethodSpec, is: MethodSpec): void {
    this.#id(place, was, is);
    this.#reused(place, was.inputs, { ...is.inputs });
    this.#reused(place, was.inputs, is.outputs);
    this.#reused(place, was.outputs, { ...is.outputs });
    this.#reused(place, was.outputs, is.inputs);
    this.#attributes(place, was.inputs, is.inputs, false);
    this.#attributes(place, was.outputs, is.outputs, true);
  }

  #attributes(place: string, was: AttributesSpec, is: AttributesSpec, output: boolean): void {
    this.#entries(place, was, is, (name, a, b) => this.#attribute(name, a, b, output));
    for (const [name, now] of Object.entries(is))
      if (was[name] === undefined && now.required === true)
        this.#broke(`${place}.${name}`, "is new and required where others did not know it");
  }

  #attribute(place: string, was: AttributeSpec, is: AttributeSpec, output: boolean): void {
    this.#id(place, was, is);
    if (output && was.required === true && is.required !== true) this.#broke(place, "was always written");
    if (!output && was.required !== true && is.required === true) this.#broke(place, "was made required");
    if (was.hint === true && is.hint !== true) this.#broke(place, "was a hint");
    this.#unit(place, was, is);
    this.#value(place, was, is, output);
  }

  /** What was released in bytes does not become pages. */
  #unit(place: string, was: AttributeSpec | FieldSpec, is: AttributeSpec | FieldSpec): void {
    const [before, after] = [unitOf(was), unitOf(is)];
    if ((was.since ?? 1) <= this.#golden.released && before !== after)
      this.#broke(place, `counted ${before}, and now ${after}`);
  }

  #value(place: string, was: TypeSpec | ItemSpec, is: TypeSpec | ItemSpec, output: boolean): void {
    const kind = (spec: TypeSpec | ItemSpec): string =>
      "of" in spec ? `${spec.type} ${spec.of}` : spec.type;
    if (kind(was) !== kind(is)) {
      this.#broke(place, `was retyped from ${kind(was)} to ${kind(is)}`);
      return;
    }
    const [low, high] = bounds(was);
    const [nowLow, nowHigh] = bounds(is);
    // A service may take more than it did, and write less; never the other way round.
    const stricter = output ? nowLow < low || nowHigh > high : nowLow > low || nowHigh < high;
    if (stricter) this.#broke(place, `had the bounds ${low} to ${high}, and now ${nowLow} to ${nowHigh}`);
    if (was.type === "array" && is.type === "array") this.#value(`${place}[]`, was.item, is.item, output);
  }

  #type(place: string, was: NamedType, is: NamedType): void {
    if (was.kind === "struct" && is.kind === "struct") this.#struct(place, was, is);
    else if (was.kind === "nested" && is.kind === "nested") {
      this.#reused(place, was.attributes, is.attributes);
      // It may stand in inputs and in outputs: neither stricter nor looser.
      this.#attributes(place, was.attributes, is.attributes, false);
      this.#attributes(place, was.attributes, is.attributes, true);
    } else if (was.kind === is.kind && "values" in was && "values" in is)
      this.#entries(place, was.values, is.values, (name, a, b) => this.#number(name, a, b));
    else this.#broke(place, `was retyped from ${was.kind} to ${is.kind}`);
  }

  #number(place: string, was: ValueSpec, is: ValueSpec): void {
    if (was.value !== is.value) this.#broke(place, `was renumbered from ${was.value} to ${is.value}`);
  }

  #struct(place: string, was: StructType, is: StructType): void {
    const old = Object.keys(was.fields);
    const now = Object.keys(is.fields);
    if (old.some((name, i) => now[i] !== name)) this.#broke(place, "has its fields in another order");
    const [before, after] = [layoutOf(was), layoutOf(is)];
    if (before.minBytes !== after.minBytes)
      this.#broke(
        place,
        `needed ${before.minBytes} bytes, and now ${after.minBytes}: new fields come with a later revision`,
      );
    this.#entries(place, was.fields, is.fields, (name, a, b) => {
      if (a.type !== b.type || a.of !== b.of) this.#broke(name, `was retyped from ${a.type} to ${b.type}`);
      this.#unit(name, a, b);
      if ((a.reserved === true) !== (b.reserved === true))
        this.#broke(name, "was made reserved, or no longer is");
    });
  }
}

function unitOf(spec: AttributeSpec | FieldSpec): string {
  return "unit" in spec ? (spec.unit ?? "no unit") : "no unit";
}

function bounds(spec: TypeSpec | ItemSpec): readonly [number, number] {
  switch (spec.type) {
    case "u32":
    case "u64":
    case "s64":
      return [spec.min ?? Number.NEGATIVE_INFINITY, spec.max ?? Number.POSITIVE_INFINITY];
    case "string":
    case "bytes":
      return [spec.minBytes ?? 0, spec.maxBytes];
    case "array":
      return [0, spec.maxCount];
    default:
      return [0, 0];
  }
}

/** The golden file's text: one line for each attribute, value and field, so that a change shows as a line. */
export function goldenText(golden: Golden): string {
  return `${lines(golden, "")}\n`;
}

function lines(value: unknown, indent: string): string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, inner]) => inner !== NO_DOC);
  const leaf = entries.every(([key, inner]) => typeof inner !== "object" || key === "item");
  if (leaf)
    return `{ ${entries.map(([key, inner]) => `${JSON.stringify(key)}: ${lines(inner, "")}`).join(", ")} }`.replace(
      "{  }",
      "{}",
    );
  const inner = entries.map(
    ([key, one]) => `${indent}  ${JSON.stringify(key)}: ${lines(one, `${indent}  `)}`,
  );
  return `{\n${inner.join(",\n")}\n${indent}}`;
}

/** Reads what goldenText wrote. */
export function readGolden(text: string): Golden {
  const { released, registry } = JSON.parse(text) as Golden;
  return { released, registry: withoutDocs(registry) };
}
