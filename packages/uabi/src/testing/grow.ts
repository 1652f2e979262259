import type { AttributesSpec, NamedType, Registry } from "../spec.ts";

type Entries<T> = Readonly<Record<string, T>>;

function mapped<T, U>(entries: Entries<T>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(entries).map(([name, value]) => [name, change(value)]));
}

/** The next revision of a registry, with more of everything that may grow: what a later version of hms could be. */
export function grow(registry: Registry): Registry {
  const since = registry.revision + 1;
  const doc = "It came later.";
  const more = { later: { id: 0xf0, type: "u32", since, doc } } as const satisfies AttributesSpec;
  const hint = {
    laterHint: { id: 0xf1, type: "u32", hint: true, since, doc },
  } as const satisfies AttributesSpec;
  const growType = (type: NamedType): NamedType => {
    switch (type.kind) {
      case "enum":
        return { ...type, values: { ...type.values, later: { value: 250, since, doc } } };
      case "flags":
        return { ...type, values: { ...type.values, later: { value: 0x4000_0000, since, doc } } };
      case "struct":
        return { ...type, fields: { ...type.fields, later: { type: "u64", since, doc } } };
      case "nested":
        return { ...type, attributes: { ...type.attributes, ...more } };
    }
  };
  return {
    ...registry,
    revision: since,
    types: mapped(registry.types, growType),
    objects: mapped(registry.objects, (object) => ({
      ...object,
      methods: {
        ...mapped(object.methods, (method) => ({
          ...method,
          inputs: { ...method.inputs, ...more, ...hint },
          outputs: { ...method.outputs, laterOutput: { id: 0xf2, type: "u32" as const, since, doc } },
        })),
        later: { id: 0xf0, since, doc, inputs: {}, outputs: {} },
      },
    })),
  };
}
