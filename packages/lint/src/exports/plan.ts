import type { Maintained, MaintainerIndex } from "./maintainers.ts";
import type { ExportedSymbol } from "./report.ts";
import { brokenBy } from "./violations.ts";

const LINE = 72;

/** The letters that a maintainer would send: one for each entry of MAINTAINERS, with evidence for each symbol. */
export function planLetters(
  symbols: readonly ExportedSymbol[],
  maintainers: MaintainerIndex,
  release: string | null,
): string {
  const groups = new Map<Maintained | null, ExportedSymbol[]>();
  for (const one of symbols) {
    if (brokenBy(one.class) === null) continue;
    const entry = maintainers.of(one.file);
    const list = groups.get(entry);
    if (list === undefined) groups.set(entry, [one]);
    else list.push(one);
  }
  return [...groups]
    .sort(([a], [b]) => ((a?.title ?? "~") < (b?.title ?? "~") ? -1 : 1))
    .map(([entry, list]) => letter(entry, list, release))
    .join("\n\f\n");
}

function letter(
  entry: Maintained | null,
  symbols: readonly ExportedSymbol[],
  release: string | null,
): string {
  const title = entry?.title ?? "THE REST";
  const of = (rule: ReturnType<typeof brokenBy>): ExportedSymbol[] =>
    symbols.filter((one) => brokenBy(one.class) === rule);
  const unused = of("no-consumer");
  const built = of("not-by-a-module");
  const same = of("same-module");
  const head = [
    ...(entry?.people ?? []).map((one) => `To: ${one}`),
    ...(entry?.lists ?? []).map((one) => `Cc: ${one}`),
    `Subject: [RFC] ${title}: ${count(symbols.length, "export")} without a consumer that needs ${symbols.length === 1 ? "it" : "them"}`,
  ];
  const parts = [
    head.join("\n"),
    `Hi,\n\n${fold(`in ${release === null ? "this tree" : `v${release}`} the following exports of ${title} have no consumer in the tree that could be a module. Each should get one, or go: an interface that nobody uses is tested by nobody, and has to be kept all the same. If a consumer is on its way, please say in which release it comes; if I have read something wrong, please tell me where it is used.`)}`,
    section("Used by nobody; please consume or revert:", unused),
    section("Used only by what is built in, so the function can stay and the export can go:", built),
    section("Used only within the module that exports them, so the export can go:", same),
    "Thanks",
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function section(title: string, symbols: readonly ExportedSymbol[]): string {
  if (symbols.length === 0) return "";
  const items = symbols.map((one) => {
    const where = `  ${one.symbol}\n      ${one.file}:${one.line}: ${one.macro}`;
    const evidence = one.consumers
      .slice(0, 2)
      .map((use) => `      used in ${use.file}:${use.line} (${use.built})`);
    return [where, ...(evidence.length > 0 ? evidence : [`      ${one.why}`])].join("\n");
  });
  return `${title}\n\n${items.join("\n")}`;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

function fold(text: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > LINE) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join("\n");
}
