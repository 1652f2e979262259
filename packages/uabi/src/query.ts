import { describeType, layoutOf } from "./describe.ts";
import type { AttributesSpec, NamedType, Registry } from "./spec.ts";

/** An attribute as context.query tells it. */
export interface AttributeInfo {
  readonly id: number;
  readonly name: string;
  /** Its type with its bounds, as text. */
  readonly type: string;
  readonly output: boolean;
  readonly required: boolean;
  readonly hint: boolean;
  readonly since: number;
  readonly doc: string;
}

export interface MethodInfo {
  readonly id: number;
  readonly name: string;
  readonly since: number;
  readonly doc: string;
  /** Inputs and outputs, in the order of their ids. */
  readonly attributes: readonly AttributeInfo[];
}

export interface ObjectInfo {
  readonly id: number;
  readonly name: string;
  readonly since: number;
  readonly doc: string;
  readonly methods: readonly MethodInfo[];
}

/** A value of an enum, a bit of flags, or a field of a struct with its offset in bytes. */
export interface ValueInfo {
  readonly name: string;
  readonly value: number;
  /** The type of a field. */
  readonly type?: string;
  readonly since: number;
  readonly doc: string;
}

export interface TypeInfo {
  readonly name: string;
  readonly kind: string;
  readonly since: number;
  readonly doc: string;
  readonly values?: readonly ValueInfo[];
  readonly attributes?: readonly AttributeInfo[];
}

/** All of a registry, as context.query tells it, `hms abi` prints it and the reference page lists it. */
export interface RegistryInfo {
  readonly revision: number;
  readonly objects: readonly ObjectInfo[];
  readonly types: readonly TypeInfo[];
  readonly namespaces: readonly { readonly name: string; readonly namespace: number }[];
}

type Filter = { readonly object?: number | undefined; readonly method?: number | undefined };

/**
 * What a registry holds: objects, methods, attributes and types by their ids. `has` leaves out methods that nobody
 * carries out, and objects without any.
 */
export function queryRegistry(
  registry: Registry,
  has: (object: number, method: number) => boolean = () => true,
  filter: Filter = {},
): RegistryInfo & Readonly<Record<string, unknown>> {
  const objects = Object.entries(registry.objects)
    .filter(([, { id }]) => filter.object === undefined || filter.object === id)
    .map(([name, object]) => ({
      id: object.id,
      name,
      since: object.since ?? 1,
      doc: object.doc,
      methods: Object.entries(object.methods)
        .filter(([, { id }]) => has(object.id, id) && (filter.method === undefined || filter.method === id))
        .map(([key, method]) => {
          const since = method.since ?? object.since ?? 1;
          const attributes = [
            ...attributesOf(registry, method.inputs, since, false),
            ...attributesOf(registry, method.outputs, since, true),
          ].sort(byId);
          return { id: method.id, name: key, since, doc: method.doc, attributes };
        })
        .sort(byId),
    }))
    .filter(({ methods }) => methods.length > 0)
    .sort(byId);
  return {
    revision: registry.revision,
    objects,
    types: Object.entries(registry.types).map(([name, type]) => typeInfo(registry, name, type)),
    namespaces: Object.entries(registry.namespaces).map(([name, namespace]) => ({ name, namespace })),
  };
}

function byId(a: { readonly id: number }, b: { readonly id: number }): number {
  return a.id - b.id;
}

function attributesOf(
  registry: Registry,
  attributes: AttributesSpec,
  since: number,
  output: boolean,
): AttributeInfo[] {
  return Object.entries(attributes).map(([name, attribute]) => ({
    id: attribute.id,
    name,
    type: describeType(registry, attribute),
    output,
    required: attribute.required === true,
    hint: attribute.hint === true,
    since: attribute.since ?? since,
    doc: attribute.doc,
  }));
}

function typeInfo(registry: Registry, name: string, type: NamedType): TypeInfo {
  const since = type.since ?? 1;
  const base = { name, kind: type.kind, since, doc: type.doc };
  if (type.kind === "nested")
    return { ...base, attributes: attributesOf(registry, type.attributes, since, false) };
  if (type.kind === "struct") {
    const { offsets } = layoutOf(type);
    const values = Object.entries(type.fields).map(([key, field], i) => ({
      name: key,
      value: offsets[i] ?? 0,
      type:
        field.type === "enum"
          ? `enum ${field.of}`
          : `${field.type}${field.unit === undefined ? "" : ` ${field.unit}`}`,
      since: field.since ?? since,
      doc: field.doc,
    }));
    return { ...base, values };
  }
  const values = Object.entries(type.values).map(([key, { value, doc, since: came }]) => ({
    name: key,
    value,
    since: came ?? since,
    doc,
  }));
  return { ...base, values };
}
