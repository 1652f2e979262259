import { accessSync, constants, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { HmsError, units } from "@hms/topology/lazy";
import { type Measurements, measuredPlace, writeMeasurements } from "@hms/topology/measured";
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

const RUNS_MAX = 1000;
/** Characters of the bar that shows how far it is. */
const BAR_WIDTH = 24;
/** The exit code of what ^C ended. */
const EXIT_INTERRUPTED = 130;

export const measure: Command = {
  operands: [],
  options: [
    {
      name: "save",
      value: "FILE",
      help: "write the measurements to a file, for --measured; whole or not at all",
    },
    {
      name: "keep",
      help: "save them where hms topo and hms pick find them by themselves: as root in /var/lib/hms, else in $XDG_DATA_HOME/hms",
    },
    { name: "quick", help: "fewer and shorter runs, smaller working sets, no latency in small pages" },
    {
      name: "runs",
      value: "N",
      help: `runs of each measurement, 1 to ${RUNS_MAX} (default: 5; 3 with --quick)`,
    },
    {
      name: "size",
      value: "SIZE",
      help: "what one CPU goes through, 4MiB to 2GiB (default: eight times its last-level cache, four times with --quick)",
    },
    {
      name: "device",
      value: "SPEC",
      repeats: true,
      help: "a device to measure too, such as accel:memory=64MiB; may be given more than once",
    },
    { name: "json", help: "write what --save would write to standard output, instead of tables" },
  ],
  notes: [
    "Threads on the CPUs of each node read, write and copy memory of each node, and follow loads that wait for each other: one thread, then one on each CPU of the node. It takes some seconds a pair; nothing else should run meanwhile. What cannot be measured is named, with the reason.",
    "Measurements hold for the machine that they were taken on (its processor, nodes, CPUs and machine-id) and are not used for any other. Exit code 1: nothing could be measured.",
  ],
  examples: [
    ["hms measure", "what each memory gives the CPUs of each node"],
    ["hms measure --keep", "so that hms topo and hms pick know it from now on"],
    ["hms measure --quick --device accel:memory=64MiB", "with an accelerator's memory"],
    ["hms measure --save measured.json", "to a file: hms topo --measured measured.json"],
  ],
  async run(options: Options, _operands: readonly string[], console: Console): Promise<number> {
    const save = placeOf(options);
    const runs = runsOf(options);
    const size = await sizeOf(options);
    const measured = await interruptibly(console, async (signal) => {
      const { measure } = await import("hms/measure");
      return measure({
        quick: options.has("quick"),
        devices: options.all("device"),
        signal,
        onProgress: ({ done, total, what }) => console.progress(barText(done, total, what, console.width)),
        ...(runs === undefined ? {} : { runs }),
        ...(size === undefined ? {} : { size }),
      });
    });
    if (measured === null) return EXIT_INTERRUPTED;
    await show(measured, options, console);
    if (save !== null && measured.pairs.length > 0) {
      (await import("../output.ts")).writeWhole(save, writeMeasurements(measured));
      console.note(`Saved: ${printable(save)}`);
    }
    return measured.pairs.length > 0 ? EXIT_DONE : EXIT_FAILED;
  },
};

async function show(measured: Measurements, options: Options, console: Console): Promise<void> {
  if (options.has("json")) console.write(writeMeasurements(measured));
  else {
    const { measureText } = await import("../measure-output.ts");
    console.write(await measureText(measured, console));
  }
  for (const warning of measured.warnings) console.note(`hms: warning: ${printable(warning)}`);
}

/** Runs until ^C; null when that came. A second one ends the process at once. Nothing is written before the end. */
async function interruptibly(
  console: Console,
  work: (signal: AbortSignal) => Promise<Measurements>,
): Promise<Measurements | null> {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) process.once(signal, stop);
  try {
    return await work(controller.signal);
  } catch (error) {
    if (!HmsError.is(error) || error.code !== "MEASURE_STOPPED") throw error;
    console.note("hms: Interrupted: nothing is saved.");
    return null;
  } finally {
    for (const signal of signals) process.off(signal, stop);
    console.progress("");
  }
}

/** Where to save; what cannot be written is said before minutes are spent on it. */
function placeOf(options: Options): string | null {
  const given = options.get("save");
  if (given !== undefined && options.has("keep"))
    throw new UsageError("Options --save and --keep are given both; give one");
  if (given === "" || given === "-")
    throw new UsageError("Option --save takes the name of a file; --json writes to standard output");
  const place = options.has("keep") ? measuredPlace() : (given ?? null);
  if (place === null) return null;
  const folder = dirname(place);
  try {
    if (options.has("keep")) mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === "ENOENT"
        ? "there is no such folder; make it first"
        : `it cannot be written to (${code}); give another place`;
    throw new Failure(`Save measurements in ${folder}: ${why}.`);
  }
  return place;
}

function runsOf(options: Options): number | undefined {
  const text = options.get("runs");
  if (text === undefined) return undefined;
  const runs = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (runs >= 1 && runs <= RUNS_MAX) return runs;
  throw new UsageError(
    `Option --runs takes a whole number from 1 to ${RUNS_MAX}, but got ${JSON.stringify(text)}`,
  );
}

async function sizeOf(options: Options): Promise<number | undefined> {
  const text = options.get("size");
  if (text === undefined) return undefined;
  const { tryParseSize } = await units();
  const size = tryParseSize(text);
  if (typeof size === "string") throw new UsageError(`Option --size: ${size}`);
  return size;
}

function barText(done: number, total: number, what: string, width: number): string {
  const part = total === 0 ? 1 : done / total;
  const full = Math.floor(part * BAR_WIDTH);
  const bar = `${"█".repeat(full)}${"·".repeat(BAR_WIDTH - full)}`;
  return `[${bar}] ${String(Math.floor(part * 100)).padStart(3)} %  ${what}`.slice(0, Math.max(0, width - 1));
}
