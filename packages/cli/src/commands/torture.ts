import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Failure as TortureFailure } from "@hms/conform";
import {
  type Command,
  type Console,
  EXIT_DONE,
  EXIT_FAILED,
  Failure,
  type Options,
  UsageError,
} from "../command.ts";
import { printable } from "../printable.ts";

/** Milliseconds between two looks of the progress line. */
const PROGRESS_MS = 200;
const STEPS = 200_000;
const NUMBER_MAX = 1e12;
const DEVICES_MAX = 4;

export const torture: Command = {
  operands: [],
  options: [
    { name: "seed", value: "N", help: "what the first run is made of (default: 1)" },
    { name: "seeds", value: "N", help: "how many runs, each with the next seed (default: 1)" },
    { name: "steps", value: "N", help: `operations of each run (default: ${STEPS})` },
    { name: "devices", value: "N", help: `devices, 1 to ${DEVICES_MAX} (default: what the seed says)` },
    {
      name: "cases",
      value: "DIR",
      help: "write the case of each failure there, as torture-SEED.yaml, not to the output",
    },
    { name: "json", help: "write a JSON line a run" },
  ],
  notes: [
    "Each run does random operations on the simulated host and its devices, with faults put in, beside a plain copy that says what every byte must be. The same seed and steps do the same again. The exit code is 1 if any run failed.",
    "A run that fails says its seed and step. Then it is done again with less and less, its interleaving kept, until nothing more can be left out, and what is left is said as a case file for hms conform if it can be, else as a list of operations.",
  ],
  examples: [
    ["hms torture", "one run"],
    ["hms torture --seed 1 --seeds 1000 --steps 10000", "a thousand runs"],
    ["hms torture --seeds 100 --cases found", "with a case file for each failure"],
  ],
  async run(options: Options, _operands: readonly string[], console: Console): Promise<number> {
    const first = count(options, "seed", 1, 0);
    const runs = count(options, "seeds", 1, 1);
    const steps = count(options, "steps", STEPS, 1);
    const devices = options.has("devices") ? count(options, "devices", 1, 1, DEVICES_MAX) : undefined;
    const cases = options.get("cases") ?? null;
    const { tortureSeed } = await import("@hms/conform");
    const json = options.has("json");
    const progress = slowly(console);
    const started = performance.now();
    let done = 0;
    let failed = 0;
    for (let seed = first; seed < first + runs; seed++) {
      const report = tortureSeed({
        seed,
        steps,
        ...(devices === undefined ? {} : { devices }),
        onProgress: (now) =>
          progress(`seed ${seed}, step ${now} of ${steps}; ${failed} of ${seed - first} runs failed`),
      });
      done += report.steps;
      const { failure } = report;
      if (failure !== null) failed++;
      const shrunk = failure === null ? null : await shorten(seed, failure, { progress, cases });
      console.progress("");
      if (json) {
        const { statistics } = report;
        console.write(
          `${JSON.stringify({ seed, steps: report.steps, failure: shrunk?.json ?? null, statistics })}\n`,
        );
      } else if (shrunk !== null) {
        console.write(shrunk.text);
      }
    }
    const seconds = (performance.now() - started) / 1000;
    if (!json)
      console.write(
        `${runs - failed} passed, ${failed} failed: ${done} steps, ${Math.round(done / seconds)} a second\n`,
      );
    return failed > 0 ? EXIT_FAILED : EXIT_DONE;
  },
};

/** Progress that is written now and then only. */
function slowly(console: Console): (text: string) => void {
  let shownAt = performance.now();
  return (text) => {
    if (performance.now() - shownAt < PROGRESS_MS) return;
    shownAt = performance.now();
    console.progress(text.slice(0, console.width));
  };
}

/** A failure, for a person and for a program. */
interface Told {
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

interface TellOptions {
  readonly progress: (text: string) => void;
  /** Where case files go; null: to the output. */
  readonly cases: string | null;
}

/** Finds out how little of a run is enough to fail, and says it. */
async function shorten(
  seed: number,
  failure: TortureFailure,
  { progress, cases }: TellOptions,
): Promise<Told> {
  const { modelCaseHost, shrink, smallCase } = await import("@hms/conform");
  const { step, operation, message } = failure;
  const [what, stack] = parted(message);
  const head = `seed ${seed}, step ${step}: ${printable(`${operation}: ${what}`)}\n${stack}`;
  const json = { step, operation, message };
  const shrunk = shrink(failure, {
    onProgress: (left) =>
      progress(`seed ${seed} failed at step ${step}; shrinking, ${left} operations are left`),
  });
  if (shrunk === null) return { text: `${head}  done again it does not fail\n`, json };
  const operations = Array.from({ length: shrunk.program.length }, (_, i) => shrunk.program.describe(i));
  const [smaller] = parted(shrunk.failure.message);
  const enough = `  ${operations.length} operations are enough: ${printable(smaller)}\n`;
  const made = await smallCase(shrunk, {
    name: `torture_${seed}`,
    comment: [`Torture, seed ${seed}, step ${step}: ${printable(what)}`],
    host: modelCaseHost(),
  });
  if ("problem" in made) {
    const list = operations.map((one) => `    ${one}\n`).join("");
    const text = `${head}${enough}${list}  no case file: ${made.problem}\n`;
    return { text, json: { ...json, operations, case: null, problem: made.problem } };
  }
  const as = `  as a case it fails at ${printable(made.failure)}`;
  const more = { ...json, operations, case: made.text };
  if (cases === null) return { text: `${head}${enough}${as}\n\n${made.text}\n`, json: more };
  const path = join(cases, `torture-${seed}.yaml`);
  save(path, made.text);
  return { text: `${head}${enough}${as}\n  hms conform ${printable(path)}\n`, json: { ...more, path } };
}

/** The first line of a message, and the others, indented: where in the program a crash was. */
function parted(message: string): readonly [first: string, others: string] {
  const [first = "", ...others] = message.split("\n");
  return [first, others.map((line) => `    ${printable(line.trim())}\n`).join("")];
}

function save(path: string, text: string): void {
  try {
    if (!existsSync(dirname(path))) mkdirSync(dirname(path));
    writeFileSync(path, text);
  } catch (error) {
    throw new Failure(
      `Writing the case to ${printable(path)} failed: ${error instanceof Error ? error.message : error}`,
    );
  }
}

function count(options: Options, name: string, otherwise: number, min: number, max = NUMBER_MAX): number {
  const text = options.get(name);
  if (text === undefined) return otherwise;
  const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(
    `Option --${name} takes a whole number from ${min} to ${max}, but got ${JSON.stringify(text)}`,
  );
}
