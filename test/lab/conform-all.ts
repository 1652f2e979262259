// npm run conform:all: every conformance case on the three hosts, side by side: the simulated host, this machine's real
// memory, and a kernel's own HMM test device in a guest of the lab. Exits 1 when a difference is not explained.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DIFFERENT, HOSTS, type HostName } from "./explanations.ts";
import { kernelAnswers } from "./kernel-cases.ts";
import { prepare, REPOSITORY } from "./setup.ts";
import { type Answer, differencesOf, type Row, summary, tableText } from "./table.ts";

const USAGE = `usage: npm run conform:all [-- [--json] [--crash] [--no-install] [PATH…]]

  --json        the table for programs
  --crash       also runs what is known to bring the guest down, each in a guest of its own
  --no-install  uses what is there
`;

const say = (line: string): void => {
  process.stderr.write(`conform:all: ${line}\n`);
};

interface SuiteJson {
  readonly cases: readonly {
    readonly name: string;
    readonly file: string;
    readonly result: Answer["result"];
    readonly missing?: readonly string[];
    readonly message?: string;
  }[];
}

/** Runs cases on a host of this machine. */
function onThisMachine(host: HostName, paths: readonly string[]): SuiteJson | string {
  const args = ["packages/cli/bin/hms.js", "conform", "--host", host, "--json", ...paths];
  const run = spawnSync(process.execPath, args, { cwd: REPOSITORY, encoding: "utf8", maxBuffer: 1 << 28 });
  if (run.stdout === "") return run.stderr.trim();
  return JSON.parse(run.stdout) as SuiteJson;
}

/** Row of the list of the kernel's own cases, from a case's name; null when it is of none. */
function idOf(name: string, ids: ReadonlyMap<string, string>): string | null {
  const stem = name.replace(/_(private|coherent)$/, "").replace(/^C\d\d_/, "");
  return ids.get(stem) ?? null;
}

function kernelIds(): Map<string, string> {
  try {
    const list = readFileSync(join(REPOSITORY, "../shared/spec/hmm-cases.tsv"), "utf8");
    const rows = list.trimEnd().split("\n").slice(1);
    return new Map(rows.map((row) => row.split("\t")).map(([id = "", name = ""]) => [name, id]));
  } catch {
    return new Map();
  }
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      crash: { type: "boolean", default: false },
      "no-install": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const paths = positionals.length > 0 ? positionals : ["test/cases"];
  const model = onThisMachine("model", paths);
  if (typeof model === "string") throw new Error(model);
  const found: Record<HostName, Map<string, Answer>> = {
    model: new Map(model.cases.map((one) => [one.file, one])),
    linux: new Map(),
    kernel: new Map(),
  };
  say(`model: ${model.cases.length} cases`);
  const linux = onThisMachine("linux", paths);
  if (typeof linux === "string") say(`linux was not run: ${linux}`);
  else for (const one of linux.cases) found.linux.set(one.file, one);

  const lab = prepare({ install: !values["no-install"], say });
  if (typeof lab === "string") say(`kernel was not run: ${lab}`);
  else {
    const crashing = new Set(
      DIFFERENT.filter(({ result, host }) => result === "crashed" && host === "kernel").map(
        ({ name }) => name,
      ),
    );
    const files: string[] = [];
    for (const { name, file } of model.cases) {
      if (values.crash || !crashing.has(name)) files.push(file);
      else found.kernel.set(file, { result: "crashed", message: "known; not run again" });
    }
    say(`kernel: ${files.length} cases in the lab's guest`);
    const answers = await kernelAnswers(lab, files, (file, { result, message }) => {
      if (result === "failed" || result === "crashed") say(`kernel: ${file}: ${result}: ${message}`);
    });
    for (const [file, answer] of answers) found.kernel.set(file, answer);
  }

  const ids = kernelIds();
  const rows: Row[] = model.cases.map(({ name, file }) => {
    const answer = (host: HostName): Answer => {
      const { result, missing, message } = found[host].get(file) ?? { result: "not run" as const };
      return { result, ...(missing && { missing }), ...(message !== undefined && { message }) };
    };
    const answers = { model: answer("model"), linux: answer("linux"), kernel: answer("kernel") };
    return { name, file, id: idOf(name, ids), answers };
  });
  const { differences, stale } = differencesOf(rows);
  if (values.json) {
    const all = { hosts: HOSTS, cases: rows, differences, stale, summary: summary(rows) };
    process.stdout.write(`${JSON.stringify(all, null, 2)}\n`);
  } else {
    process.stdout.write(tableText(rows));
  }
  // An explanation that nothing uses is wrong only if all cases were run.
  const wrong = differences.some(({ why }) => why === null) || (positionals.length === 0 && stale.length > 0);
  return wrong ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
}
