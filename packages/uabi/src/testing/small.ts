// A small registry in two revisions, with an attribute of every type: what tests of the codec speak.
import { Service } from "../service.ts";
import type { AttributesSpec, Registry } from "../spec.ts";

const ITEMS = {
  flag: { id: 2, type: "bool", doc: "It." },
  size: { id: 3, type: "u64", min: 1, max: 1000, doc: "It." },
  delta: { id: 4, type: "s64", doc: "It." },
  name: { id: 5, type: "string", minBytes: 1, maxBytes: 16, doc: "It." },
  code: { id: 6, type: "bytes", maxBytes: 16, doc: "It." },
  colour: { id: 7, type: "enum", of: "colour", doc: "It." },
  rights: { id: 8, type: "flags", of: "rights", doc: "It." },
  point: { id: 9, type: "struct", of: "point", doc: "It." },
  box: { id: 10, type: "nested", of: "box", doc: "It." },
  list: { id: 11, type: "array", item: { type: "u32" }, maxCount: 4, doc: "It." },
  words: { id: 12, type: "array", item: { type: "string", maxBytes: 8 }, maxCount: 4, doc: "It." },
  points: { id: 13, type: "array", item: { type: "struct", of: "point" }, maxCount: 4, doc: "It." },
  boxes: { id: 14, type: "array", item: { type: "nested", of: "box" }, maxCount: 4, doc: "It." },
  things: { id: 15, type: "array", item: { type: "handle", of: "thing" }, maxCount: 4, doc: "It." },
  colours: { id: 16, type: "array", item: { type: "enum", of: "colour" }, maxCount: 4, doc: "It." },
} as const;

/** The inputs with their ids moved: outputs share the numbers of a method. */
function outputsOf(items: AttributesSpec): AttributesSpec {
  return Object.fromEntries(
    Object.entries(items).map(([name, item]) => [name, { ...item, id: item.id + 100 }]),
  );
}

/** Revision 1. */
export const SMALL: Registry = {
  revision: 1,
  namespaces: { core: 0 },
  types: {
    colour: {
      kind: "enum",
      doc: "It.",
      values: { red: { value: 1, doc: "It." }, green: { value: 2, doc: "It." } },
    },
    rights: {
      kind: "flags",
      doc: "It.",
      values: { read: { value: 1, doc: "It." }, write: { value: 2, doc: "It." } },
    },
    point: {
      kind: "struct",
      doc: "It.",
      fields: {
        x: { type: "s64", doc: "It." },
        y: { type: "u64", doc: "It." },
        colour: { type: "enum", of: "colour", doc: "It." },
        reserved: { type: "u32", reserved: true, doc: "It." },
      },
    },
    box: {
      kind: "nested",
      doc: "It.",
      attributes: {
        label: { id: 1, type: "string", maxBytes: 8, required: true, doc: "It." },
        inner: { id: 2, type: "nested", of: "inner", doc: "It." },
      },
    },
    inner: {
      kind: "nested",
      doc: "It.",
      attributes: { depth: { id: 1, type: "u32", required: true, doc: "It." } },
    },
  },
  objects: {
    thing: {
      id: 1,
      doc: "It.",
      methods: {
        take: {
          id: 1,
          doc: "Takes all, and gives it back.",
          inputs: { thing: { id: 1, type: "handle", of: "thing", required: true, doc: "It." }, ...ITEMS },
          outputs: outputsOf(ITEMS),
        },
        drop: {
          id: 2,
          doc: "Does nothing.",
          inputs: { thing: { id: 1, type: "handle", of: "thing", required: true, doc: "It." } },
          outputs: {},
        },
      },
    },
  },
};

/** Revision 2: the same with more of everything that may grow. */
export const GROWN: Registry = structuredClone(SMALL);
{
  const draft = GROWN as unknown as {
    revision: number;
    types: Record<string, { values: object; fields: object; attributes: object }>;
    objects: { thing: { methods: Record<string, { inputs: object; outputs: object }> } };
  };
  const { types, objects } = draft;
  draft.revision = 2;
  Object.assign(types.colour?.values ?? {}, { blue: { value: 3, since: 2, doc: "It." } });
  Object.assign(types.rights?.values ?? {}, { execute: { value: 4, since: 2, doc: "It." } });
  Object.assign(types.point?.fields ?? {}, { z: { type: "s64", since: 2, doc: "It." } });
  Object.assign(types.box?.attributes ?? {}, {
    tag: { id: 3, type: "u32", since: 2, doc: "It." },
    hint: { id: 4, type: "u32", hint: true, since: 2, doc: "It." },
  });
  const { take } = objects.thing.methods;
  Object.assign(take?.inputs ?? {}, {
    weight: { id: 20, type: "u32", since: 2, doc: "It." },
    mood: { id: 21, type: "u32", hint: true, since: 2, doc: "It." },
  });
  Object.assign(take?.outputs ?? {}, {
    weight: { id: 120, type: "u32", since: 2, doc: "It." },
    mood: { id: 121, type: "u32", since: 2, doc: "It." },
  });
  Object.assign(objects.thing.methods, {
    paint: { id: 3, since: 2, doc: "Does nothing.", inputs: {}, outputs: {} },
  });
}

/** Handles that its service knows. */
export const THINGS: ReadonlySet<number> = new Set([1, 2, 3, 4, 77]);

export interface Echo {
  readonly service: Service<Registry>;
  /** The inputs of each call that a handler saw. */
  readonly seen: Readonly<Record<string, unknown>>[];
}

type AnyHandlers = Parameters<Service<Registry>["on"]>[0];

/** A service of a small registry whose methods give back what they take. */
export function echo(registry: Registry): Echo {
  const seen: Readonly<Record<string, unknown>>[] = [];
  const service = new Service(registry, {
    hasHandle: (kind, handle) => kind === "thing" && THINGS.has(handle),
  });
  const give = (input: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => {
    seen.push(input);
    return input;
  };
  const methods = Object.keys(registry.objects.thing?.methods ?? {});
  service.on({ thing: Object.fromEntries(methods.map((name) => [name, give])) } as unknown as AnyHandlers);
  return { service, seen };
}
