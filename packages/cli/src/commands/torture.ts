import { type Command, type Console, EXIT_DONE, EXIT_FAILED, type Options, UsageError } from "../command.ts";
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
    { name: "json", help: "write a JSON line a run" },
  ],
  notes: [
    "Each run does random operations on the simulated host and its devices, with faults put in, beside a plain copy that says what every byte must be. A run that fails says its seed and step, and what of it is enough to fail. The same seed and steps do the same again. The exit code is 1 if any run failed.",
  ],
  examples: [
    ["hms torture", "one run"],
    ["hms torture --seed 1 --seeds 1000 --steps 10000", "a thousand runs"],
  ],
  async run(options: Options, _operands: readonly string[], console: Console): Promise<number> {
    const first = count(options, "seed", 1, 0);
    const runs = count(options, "seeds", 1, 1);
    const steps = count(options, "steps", STEPS, 1);
    const devices = options.has("devices") ? count(options, "devices", 1, 1, DEVICES_MAX) : undefined;
    const { shrink, tortureSeed } = await import("@hms/conform");
    const json = options.has("json");
    const started = performance.now();
    let shownAt = started;
    let done = 0;
    let failed = 0;
    for (let seed = first; seed < first + runs; seed++) {
      const report = tortureSeed({
        seed,
        steps,
        ...(devices === undefined ? {} : { devices }),
        onProgress: (now) => {
          if (performance.now() - shownAt < PROGRESS_MS) return;
          shownAt = performance.now();
          console.progress(`seed ${seed}, step ${now} of ${steps}; ${failed} of ${seed - first} runs failed`);
        },
      });
      done += report.steps;
      const { failure } = report;
      if (failure !== null) failed++;
      console.progress("");
      if (json) {
        const { step, operation, message } = failure ?? {};
        console.write(
          `${JSON.stringify({ seed, steps: report.steps, failure: failure === null ? null : { step, operation, message }, statistics: report.statistics })}\n`,
        );
      } else if (failure !== null) {
        console.write(
          printable(`seed ${seed}, step ${failure.step}: ${failure.operation}: ${failure.message}`),
        );
        console.write("\n");
        const shrunk = shrink(failure);
        console.write(
          shrunk === null
            ? "  done again it does not fail\n"
            : `  ${shrunk.program.length} operations are enough: ${printable(shrunk.failure.message)}\n`,
        );
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

function count(options: Options, name: string, otherwise: number, min: number, max = NUMBER_MAX): number {
  const text = options.get(name);
  if (text === undefined) return otherwise;
  const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(
    `Option --${name} takes a whole number from ${min} to ${max}, but got ${JSON.stringify(text)}`,
  );
}
