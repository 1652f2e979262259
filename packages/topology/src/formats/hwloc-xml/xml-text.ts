/** Writes XML elements one a line, indented by two spaces. */
export class XmlText {
  readonly #lines: string[] = [];
  #depth = 0;

  /** A line as it is. */
  line(text: string): void {
    this.#lines.push(text);
  }

  /** `<name …/>`. */
  empty(name: string, attributes: Attributes): void {
    this.#lines.push(`${"  ".repeat(this.#depth)}<${name}${attributeText(attributes)}/>`);
  }

  /** `<name …>text</name>`. */
  filled(name: string, attributes: Attributes, text: string): void {
    const tag = `<${name}${attributeText(attributes)}>`;
    this.#lines.push(`${"  ".repeat(this.#depth)}${tag}${escapeXml(text)}</${name}>`);
  }

  /** `<name …>`, what `inside` writes, `</name>`; or an empty element when that is nothing. */
  nested(name: string, attributes: Attributes, inside: () => void): void {
    const at = this.#lines.length;
    this.empty(name, attributes);
    this.#depth += 1;
    inside();
    this.#depth -= 1;
    if (this.#lines.length === at + 1) return;
    const indent = "  ".repeat(this.#depth);
    this.#lines[at] = `${indent}<${name}${attributeText(attributes)}>`;
    this.#lines.push(`${indent}</${name}>`);
  }

  toString(): string {
    return `${this.#lines.join("\n")}\n`;
  }
}

/** Attributes in the order in which they are written; those that are null are left out. */
export type Attributes = readonly (readonly [string, string | number | null])[];

function attributeText(attributes: Attributes): string {
  let text = "";
  for (const [name, value] of attributes) {
    if (value !== null) text += ` ${name}="${typeof value === "number" ? value : escapeXml(value)}"`;
  }
  return text;
}

/** Characters that XML 1.0 cannot hold in any way: most control characters, lone surrogates, U+FFFE and U+FFFF. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const UNHOLDABLE = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\p{Surrogate}/gu;
const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "\t": "&#9;",
  "\n": "&#10;",
  "\r": "&#13;",
};

/** Text as XML holds it in an attribute or an element; what XML cannot hold is left out. */
export function escapeXml(text: string): string {
  return text.replace(UNHOLDABLE, "").replace(/[&<>"\t\n\r]/g, (c) => ESCAPES[c] ?? c);
}
