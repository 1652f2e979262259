// The cases and the answers of the hosts, side by side.
import { DIFFERENT, HOSTS, type HostName, LACKS } from "./explanations.ts";

/** What a host made of a case. `not run`: the host itself could not be had. */
export interface Answer {
  readonly result: "passed" | "failed" | "skipped" | "crashed" | "not run";
  /** Capabilities that were missing. */
  readonly missing?: readonly string[];
  /** What went wrong. */
  readonly message?: string;
}

/** A case with all answers. */
export interface Row {
  readonly name: string;
  readonly file: string;
  /** Of the list of the kernel's own cases; null for others. */
  readonly id: string | null;
  readonly answers: Readonly<Record<HostName, Answer>>;
}

/** Why hosts differ. */
export interface Difference {
  readonly host: HostName;
  readonly result: Answer["result"];
  readonly cases: readonly string[];
  /** null: nobody has explained it. */
  readonly why: string | null;
}

/** All differences, those with the same reason together; and explanations that explain nothing. */
export function differencesOf(rows: readonly Row[]): { differences: Difference[]; stale: string[] } {
  const found = new Map<string, Difference & { readonly cases: string[] }>();
  const used = new Set<string>();
  const add = (host: HostName, result: Answer["result"], why: string | null, name: string) => {
    const key = JSON.stringify([host, result, why]);
    const one = found.get(key) ?? { host, result, why, cases: [] };
    one.cases.push(name);
    found.set(key, one);
  };
  for (const { name, answers } of rows) {
    for (const host of HOSTS) {
      const { result, missing = [] } = answers[host];
      if (result === "passed" || result === "not run") continue;
      if (result === "skipped") {
        for (const capability of missing) {
          const why = LACKS[host].get(capability);
          used.add(`${host} ${capability}`);
          add(host, result, why === undefined ? null : `${capability}: ${why}`, name);
        }
        continue;
      }
      const known = DIFFERENT.find((one) => one.name === name && one.host === host && one.result === result);
      if (known !== undefined) used.add(`${host} ${name}`);
      add(host, result, known?.why ?? null, name);
    }
  }
  const ran = (host: HostName) => rows.some(({ answers }) => answers[host].result !== "not run");
  const explained = [
    ...HOSTS.flatMap((host) => [...LACKS[host].keys()].map((word) => [host, word] as const)),
    ...DIFFERENT.map(({ host, name }) => [host, name] as const),
  ];
  const stale = explained
    .filter(([host, word]) => ran(host) && !used.has(`${host} ${word}`))
    .map(([host, word]) => `${host}: ${word}`);
  return { differences: [...found.values()], stale };
}

/** One line for each case, those of the two kinds of device in one where they agree; then the differences. */
export function tableText(rows: readonly Row[]): string {
  const lines = merged(rows);
  const width = Math.max(...lines.map(({ label }) => label.length));
  const show = ({ label, answers }: Line): string =>
    `${label.padEnd(width)}  ${answers.map((word) => word.padEnd(7)).join("  ")}`.trimEnd();
  const { differences, stale } = differencesOf(rows);
  const out = [show({ label: "case", answers: HOSTS }), ...lines.map(show), ""];
  for (const { host, result, cases, why } of differences) {
    out.push(`${host}: ${result} ${cases.length}: ${why ?? "NOT EXPLAINED"}`);
    out.push(...wrapped(cases, 100).map((line) => `    ${line}`));
  }
  for (const { name, answers } of rows) {
    for (const host of HOSTS) {
      const { result, message } = answers[host];
      if (result === "failed") out.push(`${host}: ${name}: ${message}`);
    }
  }
  for (const one of stale) out.push(`explains nothing any more: ${one}`);
  out.push("", summary(rows));
  return `${out.join("\n")}\n`;
}

/** How many cases there are, and what of them is the same. */
export function summary(rows: readonly Row[]): string {
  const { differences, stale } = differencesOf(rows);
  const of = (host: HostName) => rows.filter(({ answers }) => answers[host].result === "passed").length;
  const everywhere = rows.filter(({ answers }) => HOSTS.every((host) => answers[host].result === "passed"));
  const unexplained = differences.filter(({ why }) => why === null).length + stale.length;
  const each = HOSTS.map((host) => `${of(host)} pass on ${host}`).join(", ");
  return `${rows.length} cases: ${each}; ${everywhere.length} on all three; ${unexplained} unexplained differences`;
}

interface Line {
  readonly label: string;
  readonly answers: readonly string[];
}

function merged(rows: readonly Row[]): Line[] {
  const lines: { label: string; answers: string[]; stem: string; kinds: string[] }[] = [];
  for (const { name, id, answers } of rows) {
    const [, stem = name, kind = ""] = /^(.*)_(private|coherent)$/.exec(name) ?? [];
    const words = HOSTS.map((host) => answers[host].result as string);
    const last = lines.at(-1);
    if (kind !== "" && last?.stem === stem && last.answers.join() === words.join()) last.kinds.push(kind);
    else
      lines.push({
        label: id === null ? stem : stem,
        answers: words,
        stem,
        kinds: kind === "" ? [] : [kind],
      });
  }
  return lines.map(({ label, answers, kinds }) => ({
    label: kinds.length === 0 ? label : `${label} (${kinds.join(", ")})`,
    answers,
  }));
}

function wrapped(words: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length + 2 <= width)
      lines[lines.length - 1] = `${last}, ${word}`;
    else lines.push(word);
  }
  return lines;
}
