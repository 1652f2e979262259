import { HmsError } from "@hms/topology";
import { checkRegistry } from "./check-registry.ts";
import type {
  AddedAttributes,
  AttributesSpec,
  DriverPart,
  MethodSpec,
  ObjectSpec,
  Registry,
} from "./spec.ts";
import { namespaceOf, PROTOCOL_NAMESPACE } from "./wire.ts";

type Known<T, K extends PropertyKey, E = Record<never, never>> = K extends keyof T
  ? Exclude<T[K], undefined>
  : E;

type AddedTo<
  P extends DriverPart,
  O extends PropertyKey,
  M extends PropertyKey,
  D extends "inputs" | "outputs",
> = Known<Known<Known<Known<P, "attributes">, O>, M>, D>;

type MethodWith<S, P extends DriverPart, O extends PropertyKey, M extends PropertyKey> = S extends MethodSpec
  ? Omit<S, "inputs" | "outputs"> & {
      readonly inputs: S["inputs"] & AddedTo<P, O, M, "inputs">;
      readonly outputs: S["outputs"] & AddedTo<P, O, M, "outputs">;
    }
  : never;

type ObjectWith<S, P extends DriverPart, O extends PropertyKey> = S extends ObjectSpec
  ? Omit<S, "methods"> & {
      readonly methods: {
        readonly [M in keyof S["methods"]]: MethodWith<S["methods"][M], P, O, M>;
      } & Known<Known<P, "methods">, O>;
    }
  : never;

/** A registry with what a driver adds. */
export type Extended<R extends Registry, P extends DriverPart> = {
  readonly revision: number;
  readonly namespaces: Readonly<Record<string, number>>;
  readonly types: R["types"] & Known<P, "types">;
  readonly objects: {
    readonly [O in keyof R["objects"]]: ObjectWith<R["objects"][O], P, O>;
  } & Known<P, "objects">;
};

/**
 * A registry with a driver's objects, methods, attributes and types, all in the driver's own namespace. Types are
 * named `driver-…`, so that those of the core and of other drivers stay as they are.
 *
 * Throws BAD_DRIVER_PART (EINVAL) when the driver would change what is not its own: an id outside of its namespace, a
 * namespace or a name that is taken, an input of the core's methods that clients would have to give.
 *
 * @example
 * ```ts
 * import { CORE, extendRegistry, queryRegistry } from "@hms/uabi";
 * const registry = extendRegistry(CORE, {
 *   name: "mill",
 *   namespace: 9,
 *   methods: {
 *     device: { grind: { id: 0x0901, doc: "Grinds.", inputs: {}, outputs: {} } },
 *   },
 * } as const);
 * console.log(queryRegistry(registry, undefined, { object: 4, method: 0x0901 }).objects[0]?.methods[0]?.name); // grind
 * ```
 */
export function extendRegistry<const R extends Registry, const P extends DriverPart>(
  core: R,
  part: P,
): Extended<R, P> {
  const faults: string[] = [];
  const registry = new Extension(core, part, faults).whole();
  if (faults.length > 0) {
    throw new HmsError(
      "BAD_DRIVER_PART",
      "EINVAL",
      `Extending the interface by ${part.name} failed: ${faults.join("; ")}. A driver may only add, in its own namespace.`,
    );
  }
  checkRegistry(registry);
  return registry as unknown as Extended<R, P>;
}

class Extension {
  readonly #core: Registry;
  readonly #part: DriverPart;
  readonly #faults: string[];

  constructor(core: Registry, part: DriverPart, faults: string[]) {
    this.#core = core;
    this.#part = part;
    this.#faults = faults;
  }

  whole(): Registry {
    const { name, namespace } = this.#part;
    const core = this.#core;
    if (!Number.isInteger(namespace) || namespace < 1 || namespace >= PROTOCOL_NAMESPACE)
      this.#fault("namespace", `${namespace} is not within 1 to ${PROTOCOL_NAMESPACE - 1}`);
    for (const [other, number] of Object.entries(core.namespaces))
      if (number === namespace || other === name) this.#fault("namespace", `${number} belongs to ${other}`);
    return {
      revision: core.revision,
      namespaces: { ...core.namespaces, [name]: namespace },
      types: this.#types(),
      objects: this.#objects(),
    };
  }

  #fault(place: string, what: string): void {
    this.#faults.push(`${place}: ${what}`);
  }

  #own(place: string, id: number): void {
    if (namespaceOf(id) !== this.#part.namespace)
      this.#fault(
        place,
        `id 0x${id.toString(16).padStart(4, "0")} is not of namespace ${this.#part.namespace}`,
      );
  }

  #types(): Registry["types"] {
    const { name, types = {} } = this.#part;
    for (const key of Object.keys(types)) {
      if (!key.startsWith(`${name}-`)) this.#fault(key, `a type of ${name} is named ${name}-…`);
      if (this.#core.types[key] !== undefined) this.#fault(key, "the type is there already");
    }
    return { ...this.#core.types, ...types };
  }

  #objects(): Registry["objects"] {
    const { objects = {}, methods = {}, attributes = {} } = this.#part;
    const all: Record<string, ObjectSpec> = { ...this.#core.objects };
    for (const object of new Set([...Object.keys(methods), ...Object.keys(attributes)])) {
      const spec = all[object];
      if (spec === undefined) this.#fault(object, "there is no such object to add to");
      else
        all[object] = {
          ...spec,
          methods: this.#methods(object, spec.methods, methods[object] ?? {}, attributes[object] ?? {}),
        };
    }
    for (const [object, spec] of Object.entries(objects)) {
      if (all[object] !== undefined) this.#fault(object, "the object is there already");
      this.#own(object, spec.id);
      this.#ownMethods(object, spec.methods);
      all[object] = spec;
    }
    return all;
  }

  #methods(
    object: string,
    core: ObjectSpec["methods"],
    own: ObjectSpec["methods"],
    added: Readonly<Record<string, AddedAttributes>>,
  ): ObjectSpec["methods"] {
    const all: Record<string, MethodSpec> = { ...core };
    for (const [method, { inputs = {}, outputs = {} }] of Object.entries(added)) {
      const spec = all[method];
      const place = `${object}.${method}`;
      if (spec === undefined) this.#fault(place, "there is no such method to add to");
      else {
        all[method] = {
          ...spec,
          inputs: this.#attributes(place, spec.inputs, inputs),
          outputs: this.#attributes(place, spec.outputs, outputs),
        };
      }
    }
    this.#ownMethods(object, own);
    for (const [method, spec] of Object.entries(own)) {
      if (all[method] !== undefined) this.#fault(`${object}.${method}`, "the method is there already");
      all[method] = spec;
    }
    return all;
  }

  #attributes(place: string, core: AttributesSpec, added: AttributesSpec): AttributesSpec {
    for (const [name, attribute] of Object.entries(added)) {
      this.#own(`${place}.${name}`, attribute.id);
      if (core[name] !== undefined) this.#fault(`${place}.${name}`, "the attribute is there already");
      if (attribute.required === true)
        this.#fault(`${place}.${name}`, "what a driver adds cannot be required");
    }
    return { ...core, ...added };
  }

  #ownMethods(object: string, methods: ObjectSpec["methods"]): void {
    // The attributes of its own methods need no namespace: nobody else numbers them.
    for (const [method, spec] of Object.entries(methods)) this.#own(`${object}.${method}`, spec.id);
  }
}
