import { HmsError } from "@hms/topology";
import { layoutOf } from "./describe.ts";
import type { AttributesSpec, ItemSpec, NamedType, Registry, StructType, TypeSpec } from "./spec.ts";
import { DEPTH_MAX, namespaceOf, PROTOCOL_NAMESPACE } from "./wire.ts";

const NAME = /^[a-z][A-Za-z0-9]*(?:-[a-z0-9]+)*$/;
const FIELD_TYPES: readonly string[] = ["u32", "u64", "s64", "enum"];
const ENUM_VALUE_MAX = 255;
const STRUCT_FIELDS_MAX = 64;

/** Whether a registry is one: every fault in it, by its place. */
export function faultsOfRegistry(registry: Registry): readonly string[] {
  const check = new Check(registry);
  check.all();
  return check.faults;
}

/** Throws BAD_REGISTRY (EINVAL) with the faults of a registry that is none. */
export function checkRegistry(registry: Registry): void {
  const faults = faultsOfRegistry(registry);
  if (faults.length === 0) return;
  throw new HmsError(
    "BAD_REGISTRY",
    "EINVAL",
    `The registry of the interface has faults: ${faults.join("; ")}.`,
  );
}

class Check {
  readonly faults: string[] = [];
  readonly #registry: Registry;
  readonly #namespaces: ReadonlySet<number>;

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#namespaces = new Set(Object.values(registry.namespaces));
  }

  all(): void {
    const { namespaces, objects, types } = this.#registry;
    if (namespaces.core !== 0) this.#fault("namespaces", "the core owns 0");
    if (this.#namespaces.size !== Object.keys(namespaces).length)
      this.#fault("namespaces", "two have one number");
    for (const [name, number] of Object.entries(namespaces))
      if (!Number.isInteger(number) || number < 0 || number >= PROTOCOL_NAMESPACE)
        this.#fault(`namespace ${name}`, `${number} is not within 0 to ${PROTOCOL_NAMESPACE - 1}`);
    for (const [name, type] of Object.entries(types)) this.#type(name, type);
    this.#ids("objects", objects);
    for (const [name, object] of Object.entries(objects)) {
      this.#since(name, object.since, 1);
      this.#ids(name, object.methods);
      for (const [key, method] of Object.entries(object.methods))
        this.#method(`${name}.${key}`, object.since ?? 1, method);
    }
  }

  #fault(place: string, what: string): void {
    this.faults.push(`${place}: ${what}`);
  }

  #method(
    place: string,
    above: number,
    method: { readonly since?: number; readonly inputs: AttributesSpec; readonly outputs: AttributesSpec },
  ): void {
    const since = this.#since(place, method.since, above);
    const inputs = Object.values(method.inputs).map(({ id }) => id);
    for (const [name, { id }] of Object.entries(method.outputs))
      if (inputs.includes(id)) this.#fault(`${place}.${name}`, `id ${id} is an input's`);
    this.#attributes(place, since, method.inputs, 1);
    this.#attributes(place, since, method.outputs, 1);
    for (const [name, output] of Object.entries(method.outputs))
      if (output.hint === true) this.#fault(`${place}.${name}`, "an output is no hint");
  }

  #attributes(place: string, above: number, attributes: AttributesSpec, depth: number): void {
    if (depth > DEPTH_MAX) {
      this.#fault(place, `attributes are nested deeper than ${DEPTH_MAX}`);
      return;
    }
    this.#ids(place, attributes);
    for (const [name, attribute] of Object.entries(attributes)) {
      const since = this.#since(`${place}.${name}`, attribute.since, above);
      if (attribute.required === true && since > above)
        this.#fault(`${place}.${name}`, "what came later cannot be required");
      if (attribute.required === true && attribute.hint === true)
        this.#fault(`${place}.${name}`, "what is required is no hint");
      this.#value(`${place}.${name}`, attribute, depth);
    }
  }

  /** Ids are in a namespace that someone owns, not 0 in it, and differ. */
  #ids(
    place: string,
    entries: Readonly<Record<string, { readonly id: number; readonly doc: string }>>,
  ): void {
    const seen = new Map<number, string>();
    for (const [name, { id, doc }] of Object.entries(entries)) {
      this.#name(`${place}.${name}`, name, doc);
      if (
        !Number.isInteger(id) ||
        id < 1 ||
        id > 0xffff ||
        (id & 0xff) === 0 ||
        !this.#namespaces.has(namespaceOf(id))
      )
        this.#fault(`${place}.${name}`, `${id} is no id of a namespace in use`);
      const other = seen.get(id);
      if (other !== undefined) this.#fault(`${place}.${name}`, `id ${id} is also that of ${other}`);
      seen.set(id, name);
    }
  }

  #name(place: string, name: string, doc: string): void {
    if (!NAME.test(name) || name.length > 64)
      this.#fault(place, "it is no name: letters and digits, at most 64");
    if (doc.trim() === "" || Buffer.byteLength(doc) > 4096)
      this.#fault(place, "it needs documentation, at most 4096 bytes");
  }

  #since(place: string, since: number | undefined, above: number): number {
    const value = since ?? above;
    if (!Number.isInteger(value) || value < above || value > this.#registry.revision)
      this.#fault(
        place,
        `it came with revision ${value}, which is not within ${above} to ${this.#registry.revision}`,
      );
    return value;
  }

  #type(name: string, type: NamedType): void {
    this.#name(name, name, type.doc);
    const since = this.#since(name, type.since, 1);
    if (type.kind === "nested") this.#attributes(name, since, type.attributes, 1);
    else if (type.kind === "struct") this.#struct(name, since, type);
    else this.#values(name, since, type);
  }

  #values(name: string, since: number, type: Extract<NamedType, { kind: "enum" | "flags" }>): void {
    const seen = new Set<number>();
    for (const [key, { value, doc, since: later }] of Object.entries(type.values)) {
      this.#name(`${name}.${key}`, key, doc);
      this.#since(`${name}.${key}`, later, since);
      const fits =
        type.kind === "enum"
          ? Number.isInteger(value) && value >= 0 && value <= ENUM_VALUE_MAX
          : Number.isInteger(value) && value > 0 && (value & (value - 1)) === 0 && value <= 0x4000_0000;
      if (!fits || seen.has(value)) this.#fault(`${name}.${key}`, `${value} is no value of its own`);
      if (key === "unknown") this.#fault(`${name}.${key}`, "the name is what clients see of later elements");
      seen.add(value);
    }
    if (seen.size === 0) this.#fault(name, "it has no values");
  }

  /** No gap between fields, and an end at a multiple of 8 with every revision. */
  #struct(name: string, since: number, type: StructType): void {
    const fields = Object.entries(type.fields);
    if (fields.length === 0 || fields.length > STRUCT_FIELDS_MAX)
      this.#fault(name, `it has ${fields.length} fields`);
    const { offsets } = layoutOf(type);
    let end = 0;
    let newest = since;
    fields.forEach(([key, field], i) => {
      this.#name(`${name}.${key}`, key, field.doc);
      const came = this.#since(`${name}.${key}`, field.since, since);
      if (came < newest) this.#fault(`${name}.${key}`, "a field that came earlier stands before");
      if (came > newest && end % 8 !== 0)
        this.#fault(`${name}.${key}`, `the struct before it ended at ${end}`);
      newest = Math.max(newest, came);
      if (offsets[i] !== end) this.#fault(`${name}.${key}`, "there is a gap before it");
      end = (offsets[i] ?? 0) + (field.type === "u32" || field.type === "enum" ? 4 : 8);
      if (!FIELD_TYPES.includes(field.type)) this.#fault(`${name}.${key}`, `a field is no ${field.type}`);
      if ((field.type === "enum") !== (field.of !== undefined))
        this.#fault(`${name}.${key}`, "only an enum is of a type");
      else if (field.of !== undefined) this.#named(`${name}.${key}`, field.of, "enum");
      if (field.reserved === true && field.type === "enum")
        this.#fault(`${name}.${key}`, "an enum cannot be reserved");
    });
    if (end % 8 !== 0) this.#fault(name, `it ends at ${end}, which is no multiple of 8`);
  }

  #value(place: string, spec: TypeSpec | ItemSpec, depth: number): void {
    switch (spec.type) {
      case "u32":
      case "u64":
      case "s64":
        if (
          (spec.min ?? 0) > (spec.max ?? Number.MAX_SAFE_INTEGER) ||
          (spec.type !== "s64" && (spec.min ?? 0) < 0)
        )
          this.#fault(place, "its bounds are none");
        break;
      case "string":
      case "bytes":
        if ((spec.minBytes ?? 0) > spec.maxBytes || spec.maxBytes < 1)
          this.#fault(place, "its bounds are none");
        break;
      case "handle":
        if (this.#registry.objects[spec.of] === undefined)
          this.#fault(place, `there is no object ${spec.of}`);
        break;
      case "enum":
      case "flags":
      case "struct":
        this.#named(place, spec.of, spec.type);
        break;
      case "nested":
        if (this.#named(place, spec.of, "nested")) this.#inside(place, spec.of, depth);
        break;
      case "array":
        if (!Number.isInteger(spec.maxCount) || spec.maxCount < 1)
          this.#fault(place, "its count is not bounded");
        this.#value(place, spec.item, depth);
        break;
      case "bool":
        break;
    }
  }

  /** Nested types go so deep only, and not into themselves. */
  #inside(place: string, name: string, depth: number): void {
    const type = this.#registry.types[name];
    if (type?.kind !== "nested") return;
    if (depth >= DEPTH_MAX) {
      this.#fault(place, `attributes are nested deeper than ${DEPTH_MAX}`);
      return;
    }
    for (const attribute of Object.values(type.attributes)) {
      const spec: TypeSpec | ItemSpec = attribute.type === "array" ? attribute.item : attribute;
      if (spec.type === "nested") this.#inside(place, spec.of, depth + 1);
    }
  }

  #named(place: string, name: string, kind: NamedType["kind"]): boolean {
    const found = this.#registry.types[name]?.kind === kind;
    if (!found) this.#fault(place, `there is no ${kind} ${name}`);
    return found;
  }
}
