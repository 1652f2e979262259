import type { HiddenSet, Token } from "./tokens.ts";
import { textOf, tokenize } from "./tokens.ts";

export interface Macro {
  readonly name: string;
  /** Null of one without parentheses. */
  readonly parameters: readonly string[] | null;
  /** The parameter that takes the rest of the arguments. */
  readonly rest: string | null;
  readonly body: readonly Token[];
  /** Of the header set: `linux/types.h`; empty of one that the compiler brings. */
  readonly path: string;
  readonly line: number;
}

/** What a name stands for now. */
export type MacroLookup = (name: string) => Macro | undefined;

/** What one expansion may come to: more is a mistake in the header, or made to harm. */
const TOKENS_MAX = 50_000;

/** A macro that grows past the bound, or whose arguments do not end. */
export class ExpansionFault extends Error {
  override readonly name = "ExpansionFault";
}

/** Replaces all macros in a row of tokens, as C says: arguments first, the result again with what follows. */
export function expand(tokens: readonly Token[], lookup: MacroLookup): Token[] {
  const out: Token[] = [];
  // What is still to be read, last first.
  const input = tokens.toReversed();
  let steps = 0;
  for (let token = input.pop(); token !== undefined; token = input.pop()) {
    if (++steps > TOKENS_MAX)
      throw new ExpansionFault(`macros come to more than ${TOKENS_MAX} tokens (from ${out[0]?.text ?? ""})`);
    const macro = token.kind === "name" && !isHidden(token, token.text) ? lookup(token.text) : undefined;
    if (macro === undefined) {
      out.push(token);
    } else if (macro.parameters === null) {
      pushBack(input, substitute(macro, [], token, hide(token.hidden, macro.name), lookup));
    } else if (input.at(-1)?.text === "(" && input.at(-1)?.kind === "mark") {
      const { values, close } = takeArguments(input, macro);
      const hidden = hide(common(token.hidden, close.hidden), macro.name);
      pushBack(input, substitute(macro, values, token, hidden, lookup));
    } else out.push(token);
  }
  return out;
}

function isHidden(token: Token, name: string): boolean {
  for (let one = token.hidden; one !== null; one = one.rest) if (one.name === name) return true;
  return false;
}

function hide(set: HiddenSet | null, name: string): HiddenSet {
  return { name, rest: set };
}

function common(left: HiddenSet | null, right: HiddenSet | null): HiddenSet | null {
  let set: HiddenSet | null = null;
  for (let one = left; one !== null; one = one.rest)
    for (let other = right; other !== null; other = other.rest)
      if (one.name === other.name) set = { name: one.name, rest: set };
  return set;
}

function pushBack(input: Token[], tokens: readonly Token[]): void {
  for (let index = tokens.length - 1; index >= 0; index--) {
    const token = tokens[index];
    if (token !== undefined) input.push(token);
  }
}

/** Takes `( a, b )` off the input. */
function takeArguments(
  input: Token[],
  macro: Macro,
): { readonly values: readonly (readonly Token[])[]; readonly close: Token } {
  input.pop();
  const values: Token[][] = [[]];
  const named = (macro.parameters?.length ?? 0) - (macro.rest === null ? 0 : 1);
  let depth = 0;
  for (let token = input.pop(); token !== undefined; token = input.pop()) {
    if (token.text === ")" && token.kind === "mark" && depth-- === 0) return { values, close: token };
    if (token.text === "(" && token.kind === "mark") depth++;
    const ends =
      token.text === "," && depth === 0 && !(macro.rest !== null && values.length > Math.max(0, named));
    if (ends) values.push([]);
    else values.at(-1)?.push(token);
  }
  throw new ExpansionFault(`the arguments of ${macro.name} do not end`);
}

function substitute(
  macro: Macro,
  values: readonly (readonly Token[])[],
  at: Token,
  hidden: HiddenSet,
  lookup: MacroLookup,
): Token[] {
  const parameters = macro.parameters ?? [];
  const argument = (name: string): readonly Token[] | undefined => {
    const index = parameters.indexOf(name);
    return index < 0 ? undefined : (values[index] ?? []);
  };
  const out: Token[] = [];
  const put = (token: Token, spaced: boolean): void => {
    out.push({
      ...token,
      line: at.line,
      spaced,
      hidden: token.hidden === null ? hidden : merge(token.hidden, hidden),
    });
  };
  for (let index = 0; index < macro.body.length; index++) {
    const token = macro.body[index] as Token;
    const spaced = index === 0 ? at.spaced : token.spaced;
    const value = token.kind === "name" ? argument(token.text) : undefined;
    const following = macro.body[index + 1];
    if (token.text === "#" && parameters.length > 0 && following !== undefined) {
      const named = argument(following.text);
      if (named !== undefined) {
        put({ ...token, kind: "string", text: JSON.stringify(textOf(named)) }, spaced);
        index++;
        continue;
      }
    }
    if (token.text === "##" && out.length > 0 && following !== undefined) {
      const right = argument(following.text) ?? [following];
      paste(out, right, put);
      index++;
    } else if (value !== undefined) {
      // Beside ## an argument stays as it is.
      const plain = following?.text === "##" ? value : expand(value, lookup);
      for (const [place, one] of plain.entries()) put(one, place === 0 ? spaced : one.spaced);
      // What is empty leaves a place for ## to act on nothing.
      if (plain.length === 0 && following?.text === "##") {
        const right = argument(macro.body[index + 2]?.text ?? "");
        for (const one of right ?? macro.body.slice(index + 2, index + 3)) put(one, spaced);
        index += 2;
      }
    } else put(token, spaced);
  }
  return out;
}

function merge(one: HiddenSet, other: HiddenSet): HiddenSet {
  let set = other;
  for (let name: HiddenSet | null = one; name !== null; name = name.rest)
    set = { name: name.name, rest: set };
  return set;
}

/** Joins the last token put with the first of the right side: `a ## b`. */
function paste(out: Token[], right: readonly Token[], put: (token: Token, spaced: boolean) => void): void {
  const [first, ...others] = right;
  if (first === undefined) return;
  const left = out.pop();
  if (left === undefined) return;
  // `, ## __VA_ARGS__` keeps the comma.
  const joined = tokenize(`${left.text}${first.text}`).lines[0]?.tokens ?? [];
  for (const [index, token] of joined.entries())
    put({ ...token, hidden: null }, index === 0 ? left.spaced : false);
  for (const token of others) put(token, token.spaced);
}
