/** What a piece of C text is to the preprocessor. */
export type TokenKind = "name" | "number" | "string" | "character" | "mark";

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** Of the file, from 1. A token that came from a macro has the line that named the macro. */
  readonly line: number;
  /** White space stands before it. */
  readonly spaced: boolean;
  /** Macros that this token came out of, and that it is not expanded by again. */
  readonly hidden: HiddenSet | null;
}

/** Names of macros, newest first. */
export interface HiddenSet {
  readonly name: string;
  readonly rest: HiddenSet | null;
}

/** A line as the preprocessor sees it: with what a backslash continues, without comments. */
export interface LogicalLine {
  /** The first of its lines in the file, from 1. */
  readonly line: number;
  readonly tokens: readonly Token[];
  /** It starts with `#`, which is not among the tokens. */
  readonly directive: boolean;
}

/** A comment, without its marks. */
export interface Comment {
  readonly line: number;
  readonly endLine: number;
  readonly text: string;
  /** No code stands before it on its line. */
  readonly alone: boolean;
}

export interface TokenizedFile {
  readonly lines: readonly LogicalLine[];
  readonly comments: readonly Comment[];
}

const SPACE = /(?:[ \t\f\v\r]|\\\r?\n)+/y;
const COMMENT = /\/\/(?:[^\n\\]|\\[\s\S])*|\/\*[\s\S]*?(?:\*\/|$)/y;
const NAME = /[A-Za-z_$][\w$]*/y;
const NUMBER = /\.?\d(?:[eEpP][+-]|[\w.])*/y;
const STRING = /(?:u8|[uUL])?"(?:[^"\\\n]|\\[\s\S])*"/y;
const CHARACTER = /[uUL]?'(?:[^'\\\n]|\\[\s\S])*'/y;
const MARK = /\.\.\.|<<=|>>=|##|<<|>>|<=|>=|==|!=|&&|\|\||->|[\s\S]/y;

/** Cuts C text into lines and tokens. Never fails: what is no C comes out as marks of one character. */
export function tokenize(text: string): TokenizedFile {
  const lines: LogicalLine[] = [];
  const comments: Comment[] = [];
  let tokens: Token[] = [];
  let startLine = 1;
  let line = 1;
  let at = 0;
  let spaced = false;

  const endLine = (): void => {
    const first = tokens[0];
    if (first === undefined) return;
    const directive = first.kind === "mark" && first.text === "#";
    lines.push({ line: startLine, tokens: directive ? tokens.slice(1) : tokens, directive });
    tokens = [];
  };
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };

  while (at < text.length) {
    if (text[at] === "\n") {
      endLine();
      line++;
      at++;
      spaced = true;
      continue;
    }
    const space = match(SPACE);
    if (space !== undefined) {
      line += newlines(space);
      at += space.length;
      spaced = true;
      continue;
    }
    const comment = match(COMMENT);
    if (comment !== undefined) {
      const end = line + newlines(comment);
      const alone = tokens.at(-1)?.line !== line;
      comments.push({ line, endLine: end, alone, text: comment.replace(/^\/[/*]+|\*+\/$/g, "") });
      line = end;
      at += comment.length;
      spaced = true;
      continue;
    }
    if (tokens.length === 0) startLine = line;
    const token = next(match);
    tokens.push({ ...token, line, spaced, hidden: null });
    line += newlines(token.text);
    at += token.text.length;
    spaced = false;
  }
  endLine();
  return { lines, comments };
}

function next(match: (pattern: RegExp) => string | undefined): {
  readonly kind: TokenKind;
  readonly text: string;
} {
  const string = match(STRING);
  if (string !== undefined) return { kind: "string", text: string };
  const character = match(CHARACTER);
  if (character !== undefined) return { kind: "character", text: character };
  const name = match(NAME);
  if (name !== undefined) return { kind: "name", text: name };
  const number = match(NUMBER);
  if (number !== undefined) return { kind: "number", text: number };
  return { kind: "mark", text: match(MARK) ?? "" };
}

function newlines(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count++;
  return count;
}

/** Tokens as text again, with single spaces where there was white space. */
export function textOf(tokens: readonly Token[]): string {
  let text = "";
  for (const [index, token] of tokens.entries())
    text += index > 0 && (token.spaced || touches(tokens[index - 1], token)) ? ` ${token.text}` : token.text;
  return text;
}

/** Whether two tokens would read as one without a space between. */
export function touches(left: Token | undefined, right: Token): boolean {
  if (left === undefined) return false;
  const wordy = (kind: TokenKind): boolean => kind === "name" || kind === "number";
  if (wordy(left.kind)) return wordy(right.kind);
  return left.kind === "mark" && right.kind === "mark" && /^[-+<>=&|#.]$/.test(right.text[0] ?? "");
}
