import { type SpecOrigin, specError } from "./field.ts";
import type { Position } from "./value.ts";

/** A piece of a short spec and where it stands. */
export class Word {
  readonly text: string;
  readonly at: Position;

  constructor(text: string, at: Position) {
    this.text = text;
    this.at = at;
  }

  /** The same place with another text. */
  with(text: string): Word {
    return new Word(text, this.at);
  }

  /** What stands before and after the first separator; the second is undefined when there is none. */
  split(separator: string): [Word, Word | undefined] {
    const i = this.text.indexOf(separator);
    if (i < 0) return [this, undefined];
    return [this.with(this.text.slice(0, i)), this.#from(i + separator.length)];
  }

  /** The parts between separators. */
  parts(separator: string): Word[] {
    let offset = 0;
    return this.text.split(separator).map((text) => {
      const word = new Word(text, { line: 1, column: this.at.column + offset });
      offset += text.length + separator.length;
      return word;
    });
  }

  #from(offset: number): Word {
    return new Word(this.text.slice(offset), { line: 1, column: this.at.column + offset });
  }
}

/** Goes through the text of a short spec. Columns count from 1, over line ends too. */
export class Scanner {
  readonly #text: string;
  readonly #origin: SpecOrigin;
  #offset = 0;

  constructor(text: string, origin: SpecOrigin) {
    this.#text = text;
    this.#origin = origin;
    this.#skip(/[\s;]*/y);
  }

  at(): Position {
    return { line: 1, column: this.#offset + 1 };
  }

  atEnd(): boolean {
    return this.#offset >= this.#text.length;
  }

  /** A name: letters, digits and dashes. */
  word(expected: string): Word {
    const at = this.at();
    const text = this.#skip(/[A-Za-z0-9_-]+/y);
    if (text === "") this.#fail(`expected ${expected}`);
    this.#skip(/\s*/y);
    return new Word(text, at);
  }

  /** A value: up to the next comma or brace. */
  value(name: string): Word {
    const at = this.at();
    const text = this.#skip(/[^,{}]+/y).trimEnd();
    if (text === "") this.#fail(`expected the value of ${name}`);
    return new Word(text, at);
  }

  /** Takes a mark when it is there. */
  accept(mark: string): boolean {
    if (this.#text[this.#offset] !== mark) return false;
    this.#offset++;
    this.#skip(/\s*/y);
    return true;
  }

  expect(mark: string): void {
    if (!this.accept(mark)) this.#fail(`expected "${mark}"`);
  }

  /** Blanks or a semicolon, or the end. */
  separator(): void {
    this.#skip(/[\s;]*/y);
  }

  #skip(pattern: RegExp): string {
    pattern.lastIndex = this.#offset;
    const text = pattern.exec(this.#text)?.[0] ?? "";
    this.#offset += text.length;
    return text;
  }

  #fail(problem: string): never {
    const there = this.#text[this.#offset];
    const got = there === undefined ? "the text ends here" : `got ${JSON.stringify(there)}`;
    throw specError(this.#origin, "", this.at(), `${problem}, but ${got}`);
  }
}
