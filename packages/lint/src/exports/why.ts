import type { OnProgress } from "./gather.ts";
import { tracepointNames } from "./rules.ts";
import { isConsuming, MENTION, MENTION_WORDS } from "./scan/mention.ts";
import { NameTable } from "./scan/names.ts";
import { CodeScanner } from "./scan/scanner.ts";
import { addWords } from "./scan/words.ts";
import { READ_AS, readAs } from "./tree/files.ts";
import type { Tree } from "./tree/open.ts";
import { readEach } from "./tree/read.ts";

/** Mentions that are shown of one symbol; what is called everywhere would fill the screen for minutes. */
export const MENTIONS_MAX = 10_000;

/** A mention of a symbol, and how it was read. */
export interface Mention {
  readonly file: string;
  readonly line: number;
  readonly how: string;
  /** Whether a mention of this sort is a use; the exporting file's own are none all the same. */
  readonly uses: boolean;
  /** The macro or inline function of a header that it stands in. */
  readonly within: string | null;
  readonly text: string;
}

/** Every mention of a symbol in a tree, comments and strings too, in the order of files and lines. */
export async function explainSymbol(
  tree: Tree,
  symbol: string,
  onProgress: OnProgress = () => {},
): Promise<Mention[]> {
  const wanted = symbol.startsWith("__tracepoint_")
    ? [symbol, symbol.slice("__tracepoint_".length), ...tracepointNames(symbol.slice("__tracepoint_".length))]
    : [symbol];
  const names = new NameTable();
  const meaning = addWords(names);
  const base = names.size;
  for (const name of wanted) names.add(name);
  const scanner = new CodeScanner(names, meaning, { onMacro() {}, onUse() {}, onInclude() {} });
  const found: Mention[] = [];
  const files = tree.files
    .filter((file) => readAs(file.path) !== READ_AS.none)
    .map((file, index) => ({ index, path: file.path, blob: file.stamp }));
  const core = symbol.startsWith("__tracepoint_") ? symbol.slice("__tracepoint_".length) : symbol;
  await readEach(
    tree.place,
    files,
    (file, bytes) => {
      if ((file.index & 1023) === 0) onProgress(`looking for ${symbol}`, file.index, files.length);
      if (bytes.indexOf(core) < 0 || found.length >= MENTIONS_MAX) return;
      const sort = readAs(file.path);
      const lines = bytes.toString("latin1").split("\n");
      if (sort === READ_AS.rust || sort === READ_AS.text) {
        for (const [at, line] of lines.entries())
          if (new RegExp(`\\b${core}\\b`).test(line)) {
            const uses = sort === READ_AS.text || line.includes("bindings::");
            const mention =
              sort === READ_AS.text ? MENTION.generator : uses ? MENTION.rust : MENTION.otherThing;
            found.push(row(file.path, at + 1, mention, null, line));
          }
        return;
      }
      scanner.scan(bytes, bytes.length, {
        internAll: false,
        owners: false,
        everything: true,
        assembler: sort === READ_AS.assembler,
      });
      const { mentions } = scanner;
      for (let i = 0; i < mentions.length; i += 4)
        if (mentions.at(i + 1) > base)
          found.push(
            row(
              file.path,
              mentions.at(i + 2),
              mentions.at(i + 3),
              sort === READ_AS.header ? "header" : null,
              lines[mentions.at(i + 2) - 1] ?? "",
            ),
          );
    },
    () => {},
  );
  return found.slice(0, MENTIONS_MAX);
}

function row(file: string, line: number, mention: number, within: string | null, text: string): Mention {
  return {
    file,
    line,
    how: MENTION_WORDS[mention] ?? "",
    uses: isConsuming(mention),
    within,
    text: text.trim().slice(0, 200),
  };
}
