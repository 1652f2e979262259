// node packages/lint/accuracy/judge.ts TREE REPORT [--seed N] [--count N] [--class nobody] [--write FILE]
// Draws symbols of one class by seed out of what `hms lint exports TREE --format json` wrote, judges each anew, and
// prints how many agree.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type CParser, makeParser } from "../src/abi/c/parser.ts";
import { moduleCapable } from "./build.ts";
import { grepPatterns, grepWords, type Hit, readTree } from "./grep.ts";
import { readMentions, stripped } from "./read-code.ts";

/** What of a report is looked at. */
interface Reported {
  readonly symbol: string;
  readonly file: string;
  readonly line: number;
  readonly macro: string;
  readonly sort: string;
  readonly class: string;
}

interface Evidence {
  readonly place: string;
  readonly reading: string;
}

interface Judgement {
  readonly symbol: string;
  readonly file: string;
  readonly line: number;
  readonly class: string;
  /** What the judge makes of it. */
  readonly judged: string;
  readonly agrees: boolean;
  readonly mentions: number;
  readonly evidence: readonly Evidence[];
}

/** Macros of macros, inline functions of inline functions. */
const LEVELS_MAX = 5;
const EVIDENCE_MAX = 12;
/** Files read for one name of a class other than "nobody". */
const FILES_MAX = 40;
/** The scanner's rules are about the tree as such; these parts are about it. */
const NO_CONSUMER =
  /^(Documentation|scripts|tools|LICENSES|\.git|debian|usr\/include)\/|^(MAINTAINERS|CREDITS|\.mailmap)$/;
const PROSE =
  /\.(rst|txt|md|json|ya?ml|dts|dtsi|svg|tex|cocci|awk|py|pl|sh|tc|config|ignore)$|(^|\/)(Kconfig|README|TODO)[^/]*$|defconfig$/;
const TESTS =
  /^(samples|tools\/testing)\/|(^|\/)(tests?|kunit|selftests?)\/|[-_](kunit|selftest|tests?|test_c|test_module)\.[ch]$|(^|\/)test[^/]*\.[ch]$|(^|\/)(torture|rcutorture|locktorture|scftorture|refscale|rcuscale)\.c$/;
/** Calls that compilers put in, and routines that they fall back on. */
const BY_COMPILER =
  /^(__(asan|hwasan|msan|tsan|kcsan|kasan|ubsan|sanitizer_cov|gcov|llvm|cfi|cyg)_|__(fentry|stack_chk|stackleak)|_*mcount|ftrace_mcount|stackleak_track_stack|__x86_(indirect|return)|__(aeabi|gnu)_|__(u|s)?(div|mod|divmod|mul|ash[lr]|lshr|cmp|ucmp|neg|bswap|clz|ctz|ffs|popcount)[sdt]?[sdt]i[234]?$|__(builtin|indirect_thunk)|(__)?mem(cpy|set|move|cmp|scan|chr)$|str(len|cmp|cpy|ncpy|chr)$)/;

/** Small, and the same everywhere: mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function drawn(symbols: readonly Reported[], count: number, seed: number): readonly Reported[] {
  const random = randomFrom(seed);
  const keyed = symbols
    .toSorted((a, b) => (`${a.symbol} ${a.file}` < `${b.symbol} ${b.file}` ? -1 : 1))
    .map((one) => ({ one, key: random() }));
  return keyed
    .sort((a, b) => a.key - b.key)
    .slice(0, count)
    .map(({ one }) => one);
}

/** Parts that are no consumers, and the code of another machine than the export's. */
function isElsewhere(exporting: string, file: string): boolean {
  if (NO_CONSUMER.test(file)) return true;
  const machine = (path: string): string | undefined => /^arch\/([^/]+)\//.exec(path)?.[1];
  const [own, other] = [machine(exporting), machine(file)];
  if (own === undefined || other === undefined || own === other) return false;
  // um borrows x86's code, and sh64, arm64 and others that of their older relatives.
  return !(other === "um" || own === "um" || other.startsWith(own) || own.startsWith(other));
}

/** Names that stand for a symbol in code: a tracepoint is called by another name than it is exported by. */
function aliasesOf({ symbol, sort }: Reported): readonly string[] {
  const trace = /^__tracepoint_(.*)$/.exec(symbol)?.[1] ?? (sort === "tracepoint" ? symbol : undefined);
  if (trace !== undefined)
    return [
      symbol,
      trace,
      ...["trace_", "register_trace_", "unregister_trace_", "trace_call__"].map((head) => head + trace),
      `trace_${trace}_enabled`,
      `trace_${trace}_rcuidle`,
      `check_trace_callback_type_${trace}`,
    ];
  const call = /^__SC[KT]__(.*)$/.exec(symbol)?.[1];
  return call === undefined ? [symbol] : [symbol, call];
}

class Judge {
  readonly #tree: string;
  readonly #parser: CParser;
  readonly #read = new Map<string, string>();
  readonly #pastes: readonly Paste[];

  constructor(tree: string, parser: CParser) {
    this.#tree = tree;
    this.#parser = parser;
    this.#pastes = pastesOf(tree);
  }

  judge(all: readonly Reported[]): readonly Judgement[] {
    const names = [...new Set(all.flatMap(aliasesOf))];
    const pasted = new Map(all.map((one) => [one, this.#pastesFor(one.symbol)]));
    const calls = [...pasted.values()].flat().map(({ macro }) => macro);
    const hits = new Map(grepWords(this.#tree, [...new Set([...names, ...calls])]));
    const works = all.map((one) => new Work(one, aliasesOf(one)));
    // In the exporting file it makes the function itself.
    for (const work of works)
      for (const { macro, argument } of pasted.get(work.one) ?? [])
        for (const hit of hits.get(macro) ?? [])
          if (
            hit.file !== work.one.file &&
            hasArgument(hit.text, macro, argument) &&
            !isElsewhere(work.one.file, hit.file)
          )
            work.uses.push({
              file: hit.file,
              line: hit.line,
              how: `${macro}(${argument}) makes the name`,
            });
    for (let level = 0; level < LEVELS_MAX; level++) {
      const wanted = new Set<string>();
      for (const work of works) {
        for (const name of work.open.splice(0)) {
          work.done.add(name);
          for (const next of this.#mentions(work, name, hits.get(name) ?? [], level))
            if (!work.done.has(next)) {
              work.open.push(next);
              wanted.add(next);
            }
        }
      }
      const missing = [...wanted].filter((name) => !hits.has(name));
      for (const [name, list] of grepWords(this.#tree, missing)) hits.set(name, list);
    }
    return works.map((work) => this.#verdict(work));
  }

  /** Reads the mentions of one name; returns names of macros and inline functions that lead further. */
  #mentions(work: Work, name: string, hits: readonly Hit[], level: number): readonly string[] {
    const further: string[] = [];
    const files = new Map<string, Hit[]>();
    for (const hit of hits) files.set(hit.file, [...(files.get(hit.file) ?? []), hit]);
    work.mentions += hits.length;
    // Of "nobody" every file is read; of the others a user is soon found, and some names stand in thousands of files.
    let left = work.one.class === "nobody" ? Number.POSITIVE_INFINITY : FILES_MAX;
    for (const [file, list] of files) {
      if (left-- <= 0) break;
      if (isElsewhere(work.one.file, file) || PROSE.test(file)) continue;
      // The exporting file itself is none; what its macros and functions lead to elsewhere is looked at by their names.
      if (file === work.one.file && level === 0) continue;
      if (/\.(c|h|cc|lex\.c|y)$/.test(file)) further.push(...this.#code(work, name, file));
      else this.#other(work, name, file, list);
    }
    return further;
  }

  #text(file: string): string {
    let text = this.#read.get(file);
    if (text === undefined) {
      text = readTree(this.#tree, file);
      this.#read.set(file, text);
    }
    return text;
  }

  #code(work: Work, name: string, file: string): readonly string[] {
    const text = this.#text(file);
    const further: string[] = [];
    for (const { line, reading } of readMentions(text, name, file.endsWith(".h"), this.#parser)) {
      const place = `${file}:${line}`;
      if (reading.kind === "none") work.note(place, reading.why);
      else if (reading.kind === "use") {
        if (/EXPORT_\w+\s*\(/.test(text.split("\n")[line - 1] ?? "")) work.note(place, "an export");
        else
          work.uses.push({
            file,
            line,
            how: reading.in === null ? "data or code" : `in ${reading.in}()`,
          });
      } else if (reading.name !== "" && reading.name !== name) {
        work.note(
          place,
          `${reading.kind === "macro" ? "in the macro" : "in the inline function"} ${reading.name}`,
        );
        further.push(reading.name);
      }
    }
    // By its name as a text: symbol_get() and its like.
    const asked = new RegExp(
      `(symbol_get|symbol_request|__symbol_get|kallsyms_lookup_name)\\s*\\(\\s*"?${name}\\b`,
    );
    const kept = stripped(text, true).split("\n");
    kept.forEach((row, index) => {
      if (asked.test(row)) work.uses.push({ file, line: index + 1, how: "asked for by name" });
    });
    return further;
  }

  /** Assembler, Rust, linker scripts, what the build runs. */
  #other(work: Work, name: string, file: string, hits: readonly Hit[]): void {
    for (const { line, text } of hits) {
      const place = `${file}:${line}`;
      const code = file.endsWith(".rs")
        ? text.replace(/\/\/.*$/, "")
        : text.replace(/\/\*.*?(\*\/|$)|(^|\s)(#(?!\s*define)|\/\/|@\s|;|!\s).*$/g, " ");
      if (!new RegExp(`\\b${name}\\b`).test(code) || /^\s*\*/.test(text)) work.note(place, "in a comment");
      else if (
        /EXPORT_|export_name|\.glob[a]?l\b|\.type\b|\.size\b|\.weak\b|SYM_(FUNC|CODE|DATA|INNER_LABEL|TYPED)\w*START|SYM_\w*END|^\s*\w+:|ENTRY\w*\(|END\w*\(|_GLOBAL|LEAF\(|NESTED\(|PROVIDE/.test(
          code,
        )
      )
        work.note(place, "a definition or an export");
      else if (/\.(S|s|rs|lds|inc)$|\.lds\.S$/.test(file))
        work.uses.push({ file, line, how: "assembler, Rust or linker script" });
      else work.note(place, "in a file that is no code");
    }
  }

  /** Macros that paste a name together, and the argument that they would have to be given. */
  #pastesFor(symbol: string): readonly { readonly macro: string; readonly argument: string }[] {
    return this.#pastes.flatMap(({ macro, expression }) => {
      const argument = expression
        .exec(symbol)
        ?.slice(1)
        .find((part) => part !== undefined && part !== "");
      return argument === undefined ? [] : [{ macro, argument }];
    });
  }

  #verdict(work: Work): Judgement {
    const { one } = work;
    const outside = work.uses.filter(({ file }) => file !== one.file);
    const carried = work.notes.some(
      ({ place, reading }) => /^in the (macro|inline)/.test(reading) && !place.startsWith(`${one.file}:`),
    );
    const judged = BY_COMPILER.test(one.symbol) ? "compiler" : this.#classOf(outside, carried);
    const evidence = [
      ...outside.map(({ file, line, how }) => ({ place: `${file}:${line}`, reading: how })),
      ...work.notes,
    ];
    return {
      symbol: one.symbol,
      file: one.file,
      line: one.line,
      class: one.class,
      judged,
      agrees: agrees(one.class, judged),
      mentions: work.mentions,
      evidence: evidence.slice(0, EVIDENCE_MAX),
    };
  }

  /** An export is there for modules: who cannot be one does not need it, and a test is asked only if no other module is left. */
  #classOf(uses: readonly Use[], carried: boolean): string {
    if (uses.length === 0) return carried ? "headers" : "nobody";
    const others = uses.filter(({ file }) => !TESTS.test(file)).slice(0, 60);
    const kinds = new Set(others.map(({ file }) => moduleCapable(this.#tree, file)));
    if (kinds.has("module")) return "module";
    if (kinds.has("unknown")) return "used";
    return others.length < uses.length ? "tests" : "built-in";
  }
}

interface Use {
  readonly file: string;
  readonly line: number;
  readonly how: string;
}

class Work {
  readonly one: Reported;
  readonly open: string[];
  readonly done = new Set<string>();
  readonly uses: Use[] = [];
  readonly notes: Evidence[] = [];
  mentions = 0;

  constructor(one: Reported, names: readonly string[]) {
    this.one = one;
    this.open = [...names];
  }

  note(place: string, reading: string): void {
    this.notes.push({ place, reading });
  }
}

/** `used` is a user whose file the build rules were not told of: it contradicts only that there is none. */
function agrees(reported: string, judged: string): boolean {
  if (reported === judged) return true;
  const unused = (one: string): boolean => one === "nobody" || one === "headers";
  if (reported === "same-module") return !unused(judged);
  if (judged === "used") return !unused(reported);
  // A header that nobody uses: both have found no user.
  return unused(reported) && unused(judged);
}

interface Paste {
  readonly macro: string;
  readonly expression: RegExp;
}

/** Macros whose bodies paste names: `foo_##x##_bar` takes foo_…_bar apart. */
function pastesOf(tree: string): readonly Paste[] {
  const pastes: Paste[] = [];
  const seen = new Set<string>();
  const hits = grepPatterns(tree, ["\\w##|##\\s*\\w|\\w ##"]);
  const starts = new Map<string, readonly string[]>();
  for (const { file, line, text } of hits) {
    if (NO_CONSUMER.test(file) || !/\.[chS]$/.test(file)) continue;
    const lines = starts.get(file) ?? readTree(tree, file).split("\n");
    starts.set(file, lines);
    let at = line - 1;
    while (at > 0 && /\\\s*$/.test(lines[at - 1] ?? "")) at--;
    const [, macro, list] = /^\s*#\s*define\s+(\w+)\(([^)]*)\)/.exec(lines[at] ?? "") ?? [];
    if (macro === undefined || list === undefined) continue;
    const parameters = new Set(list.split(",").map((one) => one.trim()));
    for (const whole of text.match(/\w+(?:\s*##\s*\w+)+/g) ?? []) {
      const parts = whole.split(/\s*##\s*/);
      if (!parts.some((part) => parameters.has(part))) continue;
      const literal = parts.filter((part) => !parameters.has(part)).join("");
      // `x##y` alone takes every name apart, and says nothing.
      if (literal.replace(/_/g, "").length < 2) continue;
      const source = parts.map((part) => (parameters.has(part) ? "(\\w+)" : part)).join("");
      const key = `${macro} ${source}`;
      if (seen.has(key)) continue;
      seen.add(key);
      pastes.push({ macro, expression: new RegExp(`^${source}$`) });
    }
  }
  return pastes;
}

function hasArgument(text: string, macro: string, argument: string): boolean {
  return new RegExp(`\\b${macro}\\s*\\([^;]*\\b${argument}\\b`).test(text) && !/^\s*#\s*define/.test(text);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "200" },
    class: { type: "string", default: "nobody" },
    write: { type: "string" },
  },
});
const [tree, reportPath] = positionals;
if (tree === undefined || reportPath === undefined || !existsSync(join(tree, "Kbuild"))) {
  process.stderr.write(
    "usage: judge.ts TREE REPORT.json [--seed N] [--count N] [--class CLASS] [--write FILE]\n",
  );
  process.exit(2);
}
const { symbols, release } = JSON.parse(readFileSync(reportPath, "utf8")) as {
  readonly symbols: readonly Reported[];
  readonly release: string | null;
};
const seed = Number(values.seed);
const pool = symbols.filter((one) => one.class === values.class);
const sample = drawn(pool, Number(values.count), seed);
const parser = await makeParser();
const judgements = new Judge(tree, parser).judge(sample);
parser[Symbol.dispose]();
const wrong = judgements.filter(({ agrees: well }) => !well);
for (const { symbol, file, line, judged, evidence } of wrong) {
  process.stdout.write(`${symbol} (${file}:${line}): reported ${values.class}, judged ${judged}\n`);
  for (const { place, reading } of evidence.slice(0, 4)) process.stdout.write(`    ${place}  ${reading}\n`);
}
const share = judgements.length === 0 ? 0 : (1 - wrong.length / judgements.length) * 100;
process.stdout.write(
  `${judgements.length - wrong.length} of ${judgements.length} agree (${share.toFixed(1)} %): class ${values.class} of ${pool.length}, seed ${seed}, release ${release}\n`,
);
if (values.write !== undefined)
  writeFileSync(
    values.write,
    `${JSON.stringify({ release, class: values.class, pool: pool.length, seed, agree: judgements.length - wrong.length, of: judgements.length, judgements }, null, 1)}\n`,
  );
