import type { RegistryInfo } from "@hms/uabi";
import type { Console } from "./command.ts";
import { printable } from "./printable.ts";
import { twoColumns, wrap } from "./wrap.ts";

type ObjectInfo = RegistryInfo["objects"][number];
type MethodInfo = ObjectInfo["methods"][number];
type AttributeInfo = MethodInfo["attributes"][number];
type TypeInfo = RegistryInfo["types"][number];

/** What of the interface is shown. */
export type Found =
  | { readonly kind: "all" }
  | { readonly kind: "object"; readonly object: ObjectInfo }
  | { readonly kind: "method"; readonly object: ObjectInfo; readonly method: MethodInfo }
  | { readonly kind: "type"; readonly type: TypeInfo };

/** An object, a method or a type by its name; null when there is none. */
export function findNamed(info: RegistryInfo, name: string): Found | null {
  const [first = "", second, ...more] = name.split(".");
  const object = info.objects.find((one) => one.name === first);
  if (object !== undefined && second === undefined) return { kind: "object", object };
  const method = more.length > 0 ? undefined : object?.methods.find((one) => one.name === second);
  if (object !== undefined && method !== undefined) return { kind: "method", object, method };
  const type = info.types.find((one) => one.name === name);
  return type === undefined ? null : { kind: "type", type };
}

export function abiJson(info: RegistryInfo, found: Found): string {
  const shown =
    found.kind === "all"
      ? info
      : found.kind === "type"
        ? found.type
        : found.kind === "object"
          ? found.object
          : found.method;
  return `${JSON.stringify(shown, null, 2)}\n`;
}

/** The interface, or what was asked for of it, for a person. */
export function abiText(
  info: RegistryInfo,
  found: Found,
  console: Pick<Console, "colour" | "width">,
): string {
  const page = new Page(info, console);
  switch (found.kind) {
    case "all":
      return page.all();
    case "object":
      return page.object(found.object);
    case "method":
      return page.method(found.object, found.method);
    case "type":
      return page.types([found.type], false);
  }
}

class Page {
  readonly #info: RegistryInfo;
  readonly #width: number;
  readonly #colour: boolean;

  constructor(info: RegistryInfo, { colour, width }: Pick<Console, "colour" | "width">) {
    this.#info = info;
    this.#width = width;
    this.#colour = colour;
  }

  all(): string {
    const { namespaces, objects, revision, types } = this.#info;
    const methods = objects.reduce((sum, object) => sum + object.methods.length, 0);
    const head = `The interface of hms, revision ${revision}: ${objects.length} objects, ${methods} methods, ${types.length} types`;
    const drivers = namespaces
      .filter(({ namespace }) => namespace !== 0)
      .map(
        ({ name, namespace }) =>
          `\nIds from ${namespace * 256} to ${namespace * 256 + 255}: ${printable(name)}`,
      );
    const trees = objects.map((object) => {
      const rows = object.methods.map((method, i): [string, string] => [
        `${i === object.methods.length - 1 ? "└─" : "├─"} ${method.name}`,
        this.#signature(method),
      ]);
      const doc = wrap(object.doc, this.#width - 2).map((line) => this.#dim(`  ${line}`));
      return [`${this.#bold(object.name)}`, ...doc, this.#rows(rows)].join("\n");
    });
    const hint = "[name] may be left out, or need not be written. One in full: hms abi space.migrate";
    const hints = wrap(hint, this.#width).map((line) => this.#dim(line));
    return `${this.#bold(head)}${drivers.join("")}\n\n${trees.join("\n\n")}\n\n${hints.join("\n")}\n`;
  }

  object(object: ObjectInfo): string {
    const head = `${this.#bold(object.name)}  object ${object.id}${this.#since(object.since)}`;
    const methods = object.methods.map(
      (method) =>
        `${this.#bold(`${object.name}.${method.name}`)}  method ${method.id}${this.#since(method.since)}\n${this.#text(method.doc)}\n\n${this.#attributes(method)}`,
    );
    return `${head}\n${this.#text(object.doc)}\n\n${methods.join("\n")}`;
  }

  method(object: ObjectInfo, method: MethodInfo): string {
    const name = this.#bold(`${object.name}.${method.name}`);
    const head = `${name}  object ${object.id}, method ${method.id}${this.#since(method.since)}`;
    const types = this.#typesOf(method.attributes);
    const body = `${head}\n${this.#text(method.doc)}\n\n${this.#attributes(method)}`;
    return types.length === 0 ? body : `${body}\n${this.types(types, true)}`;
  }

  types(types: readonly TypeInfo[], short: boolean): string {
    return types
      .map((type) => {
        const head = `${this.#bold(type.name)}  ${type.kind}${this.#since(type.since)}`;
        const rows =
          type.attributes?.map((attribute) => this.#attribute(attribute)) ??
          (type.values ?? []).map((value): [string, string] => [
            `${String(value.value).padStart(4)}  ${value.name}`,
            `${value.type === undefined ? "" : `${value.type}. `}${value.doc}${this.#since(value.since)}`,
          ]);
        // Beside a method, long lists are for their own page.
        const shown = short && rows.length > 16 ? rows.slice(0, 12) : rows;
        const more =
          shown.length < rows.length ? `\n  … ${rows.length - shown.length} more: hms abi ${type.name}` : "";
        return `${head}\n${this.#text(type.doc)}\n${this.#rows(shown)}${more}\n`;
      })
      .join("\n");
  }

  #signature(method: MethodInfo): string {
    const names = (output: boolean): string =>
      method.attributes
        .filter((attribute) => attribute.output === output)
        .map((attribute) => (attribute.required ? attribute.name : `[${attribute.name}]`))
        .join(" ");
    const [inputs, outputs] = [names(false), names(true)];
    return `${inputs}${outputs === "" ? "" : `${inputs === "" ? "" : " "}→ ${outputs}`}`;
  }

  #attributes(method: MethodInfo): string {
    const part = (title: string, output: boolean): string => {
      const rows = method.attributes
        .filter((attribute) => attribute.output === output)
        .map((attribute) => this.#attribute(attribute));
      return rows.length === 0 ? "" : `${this.#dim(title)}\n${this.#rows(rows)}\n`;
    };
    const all = part("in", false) + part("out", true);
    return all === "" ? this.#dim("no inputs, no outputs\n") : all;
  }

  #attribute(attribute: AttributeInfo): [string, string] {
    const name = attribute.required ? attribute.name : `[${attribute.name}]`;
    const hint = attribute.hint ? " A service that does not know it leaves it aside." : "";
    return [
      `${String(attribute.id).padStart(4)}  ${name}`,
      `${attribute.type}. ${attribute.doc}${hint}${this.#since(attribute.since)}`,
    ];
  }

  /** Named types that attributes use, and those that these use, in the order in which they are met. */
  #typesOf(attributes: readonly AttributeInfo[]): readonly TypeInfo[] {
    const met: TypeInfo[] = [];
    const texts = attributes.map(({ type }) => type);
    for (let text = texts.shift(); text !== undefined; text = texts.shift()) {
      const name = /\b(?:enum|flags|struct|nested) ([A-Za-z0-9-]+)/.exec(text)?.[1];
      const type = this.#info.types.find((one) => one.name === name);
      if (type === undefined || met.includes(type)) continue;
      met.push(type);
      texts.push(
        ...(type.attributes ?? []).map((one) => one.type),
        ...(type.values ?? []).map((one) => one.type ?? ""),
      );
    }
    return met;
  }

  #rows(rows: readonly (readonly [string, string])[]): string {
    // Ids are of a fixed width; the names are not cut.
    const clean = rows.map(([left, right]): [string, string] => [printable(left), printable(right)]);
    return twoColumns(clean, this.#width).replace(/ +$/gm, "");
  }

  #text(text: string): string {
    return wrap(printable(text), this.#width).join("\n");
  }

  #since(revision: number): string {
    return revision === 1 ? "" : ` Since revision ${revision}.`;
  }

  #bold(text: string): string {
    return this.#colour ? `\x1b[1m${text}\x1b[22m` : text;
  }

  #dim(text: string): string {
    return this.#colour ? `\x1b[2m${text}\x1b[22m` : text;
  }
}
