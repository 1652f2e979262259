import { readFileSync } from "node:fs";
import { HmsError, units } from "@hms/topology/lazy";
import type { MissingProcess, ProcessMemory } from "hms/process";
import { type Command, type Console, EXIT_DONE, EXIT_FAILED, type Options, UsageError } from "../command.ts";
import { type Machine, MEASURED_OPTIONS, openMachine } from "../input.ts";
import { printable } from "../printable.ts";
import type { Words } from "../ps-words.ts";

type Library = typeof import("hms/process");

const METRICS = ["bandwidth", "latency"] as const;
const SORTS = ["memory", "misplaced", "pid"] as const;
/** Rows of a list unless asked for otherwise. */
const COUNT = 40;
const INTERVAL_S = 2;
const INTERVAL_S_MAX = 86_400;
/** A look may take this share of the time: the kernel holds a process up while its page table is walked. */
const LOOKING_SHARE = 0.2;
/** The kernel's limit on PIDs. */
const PID_MAX = 4_194_304;

export const ps: Command = {
  operands: ["PID…"],
  options: [
    {
      name: "all",
      help: "processes of all users, as far as you may look into them (default: your own; for root all)",
    },
    {
      name: "regions",
      help: "for each PID also its mappings with their names: files, [heap], [anon:NAME], …",
    },
    {
      name: "prefer",
      value: "ORDER",
      choices: METRICS,
      help: "by what a memory is better than another: bandwidth (default) or latency",
    },
    {
      name: "sort",
      value: "ORDER",
      choices: SORTS,
      help: "the list by memory (default), by what is misplaced, or by pid",
    },
    {
      name: "count",
      value: "N",
      help: `rows of the list, or regions of a process, at most (default: ${COUNT})`,
    },
    { name: "watch", help: `look again every ${INTERVAL_S} seconds, until interrupted` },
    { name: "interval", value: "SECONDS", help: "look again after so many seconds instead" },
    ...MEASURED_OPTIONS,
    { name: "json", help: "write JSON; with --watch a line for each look" },
  ],
  notes: [
    "Without PIDs: a table of your processes. With one: what it has on each memory, by kind; its policies and huge pages; where it runs. With several: a table of these.",
    "Misplaced is what is not in the best memory for the CPUs that a process runs on, although there would be room: as `hms topo` knows the memories, and as much as fits into what is free. Below it stands the command that moves it there. What other processes use too (the C library, shared memory) does not count.",
    "Other users' processes: the kernel lets only root look into them, or who has CAP_SYS_PTRACE. `?` stands for what it does not let you see.",
  ],
  examples: [
    ["hms ps", "where the memory of your processes is"],
    ["hms ps 1234", "one process: by memory, by kind, and what would be better elsewhere"],
    ["hms ps --regions 1234", "with its mappings: which of them is where"],
    ["sudo hms ps --sort misplaced --count 5", "who of all would gain the most by being moved"],
    ["hms ps --watch 1234", "while something moves"],
    [
      "hms ps --json | jq '.processes[] | select(.misplaced.bytes > 0).misplaced.mend'",
      "all command lines that mend",
    ],
  ],
  async run(options: Options, operands: readonly string[], console: Console): Promise<number> {
    const asked = askedOf(options, operands);
    const library = await import("hms/process");
    if (!asked.watch) return await look(asked, library, console);
    for (let first = true; !console.gone; first = false) {
      const started = performance.now();
      const code = await look(asked, library, console, first ? "first" : "again");
      if (code !== EXIT_DONE && asked.pids.length > 0) return code;
      const tookMs = performance.now() - started;
      const waitMs = Math.max(
        asked.intervalS * 1000 - tookMs,
        (tookMs * (1 - LOOKING_SHARE)) / LOOKING_SHARE,
      );
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
    return EXIT_DONE;
  },
};

interface Asked {
  /** As given, for what reads the machine. */
  readonly options: Options;
  readonly pids: readonly number[];
  readonly all: boolean;
  readonly regions: boolean;
  readonly by: (typeof METRICS)[number];
  readonly sort: (typeof SORTS)[number];
  /** Null: not given. */
  readonly count: number | null;
  readonly watch: boolean;
  readonly intervalS: number;
  readonly json: boolean;
}

function askedOf(options: Options, operands: readonly string[]): Asked {
  const pids = [...new Set(operands.map(pidOf))];
  const regions = options.has("regions");
  if (regions && pids.length === 0)
    throw new UsageError("Option --regions needs a process: hms ps --regions PID");
  if (options.has("all") && pids.length > 0)
    throw new UsageError("Option --all is for the list of processes; leave it out, or the PIDs");
  return {
    options,
    pids,
    all: options.has("all"),
    regions,
    by: METRICS.find((one) => one === options.get("prefer")) ?? "bandwidth",
    sort: SORTS.find((one) => one === options.get("sort")) ?? "memory",
    count: wholeOf(options, "count", 1e9),
    watch: options.has("watch") || options.has("interval"),
    intervalS: wholeOf(options, "interval", INTERVAL_S_MAX) ?? INTERVAL_S,
    json: options.has("json"),
  };
}

function pidOf(text: string): number {
  const pid = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (pid >= 1 && pid <= PID_MAX) return pid;
  const hint = /^\d+$/.test(text) || text.startsWith("-") ? "" : `; find it by pgrep ${printable(text)}`;
  throw new UsageError(
    `PID takes the number of a process (1 to ${PID_MAX}), but got ${JSON.stringify(text)}${hint}`,
  );
}

function wholeOf(options: Options, name: string, max: number): number | null {
  const text = options.get(name);
  if (text === undefined) return null;
  const value = /^[1-9]\d{0,9}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= max) return value;
  throw new UsageError(
    `Option --${name} takes a whole number from 1 to ${max}, but got ${JSON.stringify(text)}`,
  );
}

/** Looks once and writes what there is; the exit code. */
async function look(
  asked: Asked,
  library: Library,
  console: Console,
  watching: "first" | "again" | null = null,
): Promise<number> {
  const machine = await openMachine(asked.options);
  const missing: MissingProcess[] = [];
  const found = read(asked, machine, library, missing);
  const text = asked.json
    ? await jsonOf(found, missing, { machine, library, console })
    : await textOf(found, asked, machine, console);
  if (text !== null) show(text, asked, console, watching);
  for (const { message } of missing) console.note(`hms: ${printable(message)}`);
  return missing.length === 0 ? EXIT_DONE : EXIT_FAILED;
}

/** The processes asked for, as they are read; those that cannot be read go to `missing`. */
async function* read(
  { pids, all, regions, by, count, json }: Asked,
  machine: Machine,
  library: Library,
  missing: MissingProcess[],
): AsyncGenerator<ProcessMemory> {
  if (pids.length === 0) {
    const options = { machine, by, kinds: json, ...(all ? { user: "all" as const } : {}) };
    for await (const one of library.processes(options)) if (one.pid !== process.pid) yield one;
    return;
  }
  const most = regions ? (count ?? (json ? library.REGIONS_MAX : COUNT)) : null;
  for (const pid of pids) {
    try {
      yield await library.memoryOf(pid, { machine, by, ...(most === null ? {} : { regions: most }) });
    } catch (error) {
      if (!HmsError.is(error)) throw error;
      missing.push({ pid, code: error.code, message: error.message });
    }
  }
}

interface JsonContext {
  readonly machine: Machine;
  readonly library: Library;
  readonly console: Console;
}

/** Written as it is read: a machine may have a hundred thousand processes. */
async function jsonOf(
  found: AsyncIterable<ProcessMemory>,
  missing: readonly MissingProcess[],
  { machine, library, console }: JsonContext,
): Promise<null> {
  console.write(library.processesJsonStart(machine));
  let comma = "";
  for await (const one of found) {
    console.write(comma);
    for (const piece of library.processJson(one)) console.write(piece);
    comma = ",";
  }
  console.write(`${library.processesJsonEnd(missing)}\n`);
  return null;
}

async function textOf(
  found: AsyncIterable<ProcessMemory>,
  asked: Asked,
  machine: Machine,
  console: Console,
): Promise<string> {
  const all: ProcessMemory[] = [];
  for await (const one of found) all.push(one);
  const { ANSI_PAINT, NO_PAINT } = await import("@hms/topology/render");
  const { formatSize } = await units();
  const paint = console.colour ? ANSI_PAINT : NO_PAINT;
  const words: Words = { machine, size: (bytes) => formatSize(bytes), paint, width: console.width };
  if (asked.pids.length === 1 || asked.regions) {
    const { detailText, regionsText } = await import("../ps-detail.ts");
    return all
      .map(
        (one) =>
          detailText(one, words) + (asked.regions ? regionsText(one, asked.count ?? COUNT, words) : ""),
      )
      .join("\n");
  }
  if (all.length === 0) return asked.pids.length > 0 ? "" : "No processes with memory.\n";
  const { listText } = await import("../ps-table.ts");
  const users = new Set(all.map(({ user }) => user)).size > 1;
  const options = {
    count: asked.count ?? rowsFor(asked, console),
    users,
    userName: users ? userNames() : String,
  };
  return listText(sorted(all, asked.sort), options, words);
}

/** Rows of the terminal that are not for the list while it is watched: the head, and the first command lines that mend. */
const ROWS_BESIDE = 14;

function rowsFor({ watch }: Asked, { height }: Console): number {
  return watch && height !== null ? Math.max(5, height - ROWS_BESIDE) : COUNT;
}

function sorted(all: readonly ProcessMemory[], by: Asked["sort"]): ProcessMemory[] {
  const misplaced = ({ misplaced: one }: ProcessMemory): number => one?.bytes ?? 0;
  return [...all].sort((a, b) => {
    if (by === "pid") return a.pid - b.pid;
    return (by === "misplaced" ? misplaced(b) - misplaced(a) : 0) || b.bytes - a.bytes || a.pid - b.pid;
  });
}

/** Names of users by number, as /etc/passwd has them. */
function userNames(): (user: number) => string {
  const names = new Map<number, string>();
  try {
    for (const line of readFileSync("/etc/passwd", "utf8").split("\n")) {
      const [name = "", , number = ""] = line.split(":");
      if (name !== "" && number !== "" && !names.has(Number(number))) names.set(Number(number), name);
    }
  } catch {
    // Without the file numbers will do.
  }
  return (user) => names.get(user) ?? String(user);
}

const HOME = "\x1b[H";
const CLEAR = "\x1b[2J";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

/** On a terminal a look takes the place of the one before, as much of it as there are rows for. */
function show(text: string, asked: Asked, console: Console, watching: "first" | "again" | null): void {
  const { height } = console;
  const head = `hms ps, ${new Date().toTimeString().slice(0, 8)}, every ${asked.intervalS} s; Ctrl+C ends it`;
  if (watching === null) console.write(text);
  else if (height === null) console.write(`${watching === "again" ? "\n" : ""}${head}\n${text}`);
  else {
    const lines = [head, "", ...text.trimEnd().split("\n")].slice(0, Math.max(1, height - 1));
    const start = watching === "first" ? `${CLEAR}${HOME}` : HOME;
    console.write(`${start}${lines.map((line) => `${line}${CLEAR_LINE}`).join("\n")}\n${CLEAR_BELOW}`);
  }
}
