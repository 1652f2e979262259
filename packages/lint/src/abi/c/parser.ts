import { createRequire } from "node:module";
import { Language, Parser, type Tree } from "web-tree-sitter";

let language: Promise<Language> | undefined;

/** The grammar of C as WebAssembly, loaded once a process. */
async function cLanguage(): Promise<Language> {
  await Parser.init();
  return await Language.load(createRequire(import.meta.url).resolve("tree-sitter-c/tree-sitter-c.wasm"));
}

/** Parses C without directives. */
export interface CParser {
  parse(text: string): Tree;
  [Symbol.dispose](): void;
}

/** Makes a parser; what it parsed is to be deleted by who asked. */
export async function makeParser(): Promise<CParser> {
  language ??= cLanguage();
  const grammar = await language;
  const parser = new Parser();
  parser.setLanguage(grammar);
  return {
    parse: (text) => {
      const tree = parser.parse(text);
      // Null only of a parse that was cancelled, which nobody does here.
      if (tree === null) throw new Error("tree-sitter gave no tree");
      return tree;
    },
    [Symbol.dispose]: () => parser.delete(),
  };
}
