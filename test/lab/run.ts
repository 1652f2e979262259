// npm run lab [-- WORD…]: boots the machines of the lab and runs in each the tests of test/lab/guest that are for it and
// whose path contains one of the words. Exits 0 if all passed.
import { parseArgs } from "node:util";
import { prepare } from "./setup.ts";
import { FILE_LIMIT_S, guestTests, runLab } from "./suite.ts";

const USAGE = `usage: npm run lab [-- [--setup] [--list] [--no-install] [--machine NAME]… [--shell SCRIPT] [WORD…]]

  --setup         makes everything ready (installs Debian packages as root) and stops
  --list          shows the tests and the machines they run on
  --no-install    uses what is there
  --machine NAME  only on this machine: hmat, full or hmm
  --shell SCRIPT  runs this line of shell in the guest, and no test
  --limit SECONDS for each test file, or the line of shell (default 240)
`;

const say = (line: string): void => {
  process.stdout.write(`lab: ${line}\n`);
};

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      setup: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
      "no-install": { type: "boolean", default: false },
      machine: { type: "string", multiple: true },
      shell: { type: "string" },
      limit: { type: "string" },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const tests = guestTests(positionals, values.machine ?? null);
  if (values.list) {
    for (const { file, machines } of tests) say(`${file}: ${machines.join(", ")}`);
    return 0;
  }
  const lab = prepare({ install: !values["no-install"], say });
  if (typeof lab === "string") {
    say(lab);
    return 1;
  }
  if (values.setup) {
    say(`ready, with QEMU ${lab.qemus.map(({ version }) => version.join(".")).join(" and ")}`);
    return 0;
  }
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop.abort());
  const { shell } = values;
  const limitS = Number(values.limit ?? FILE_LIMIT_S);
  if (!(limitS > 0)) throw new Error(`--limit is a number of seconds and not ${values.limit}`);
  const result = await runLab(lab, {
    tests,
    ...(shell === undefined ? {} : { shell, machines: values.machine ?? ["hmat"] }),
    limitS,
    say,
    onOutput: (text) => process.stdout.write(text),
    signal: stop.signal,
  });
  return result.failed === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`lab: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 2;
}
