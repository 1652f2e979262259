import { type Field, shown } from "./field.ts";
import { offer } from "./suggest.ts";

/** The ids of one sort of object in a spec: no two are the same, and what refers to one must find it. */
export class Ids {
  readonly noun: string;
  readonly #ids = new Set<string>();
  /** Patterns are resolved once: many links name the same ones. */
  readonly #patterns = new Map<string, readonly string[]>();

  constructor(noun: string) {
    this.noun = noun;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  add(id: string, field: Field): void {
    if (this.#ids.has(id)) field.fail(`there are two ${this.noun}s ${shown(id)}; give one another id`);
    this.#ids.add(id);
    this.#patterns.clear();
  }

  /** The ids that a field names: one, a list, or patterns with `*` for any characters. None may be missing. */
  resolve(field: Field): string[] {
    const found = new Set<string>();
    for (const item of field.oneOrMore()) for (const id of this.#resolve(item)) found.add(id);
    return [...found];
  }

  one(field: Field): string {
    const id = field.name();
    if (this.#ids.has(id)) return id;
    return field.fail(`there is no ${this.noun} ${shown(id)}${offer(id, this.#ids)}`);
  }

  #resolve(field: Field): readonly string[] {
    const name = field.raw(`the id of ${/^[aeiou]/.test(this.noun) ? "an" : "a"} ${this.noun}`);
    if (this.#ids.has(name) || !name.includes("*")) return [this.one(field)];
    let found = this.#patterns.get(name);
    if (found === undefined) {
      const parts = name.split("*");
      found = [...this.#ids].filter((id) => matches(id, parts));
      this.#patterns.set(name, found);
    }
    if (found.length > 0) return found;
    return field.fail(`no ${this.noun} fits ${shown(name)}${offer(name, this.#ids)}`);
  }
}

/** Whether a text is these parts with anything between them; linear, unlike a regular expression of wildcards. */
function matches(text: string, parts: readonly string[]): boolean {
  const [first = "", ...rest] = parts;
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let from = first.length;
  for (const part of rest) {
    const at = text.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  return text.length - last.length >= from && text.endsWith(last);
}
