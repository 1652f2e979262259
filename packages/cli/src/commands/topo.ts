import { FORMATS, type Format, saveMachine, write, writeMatrix } from "@hms/topology/lazy";
import { type Command, type Console, EXIT_DONE, type Options, UsageError } from "../command.ts";
import { INPUT_OPTION, type Machine, MEASURED_OPTIONS, openMachine, tellWarnings } from "../input.ts";

/** What the end of a name says of the format. */
const ENDINGS: Readonly<Record<string, Format>> = {
  txt: "text",
  json: "json",
  svg: "svg",
  dot: "dot",
  gv: "dot",
  xml: "hwloc-xml",
  yaml: "yaml",
  yml: "yaml",
};
const METRICS = ["bandwidth", "latency"] as const;

export const topo: Command = {
  operands: [],
  options: [
    INPUT_OPTION,
    ...MEASURED_OPTIONS,
    {
      name: "format",
      value: "FORMAT",
      choices: FORMATS,
      help: `what to write: ${FORMATS.join(", ")} (default: what the name of --output says, else text)`,
    },
    {
      name: "output",
      value: "FILE",
      help: "write to a file instead of standard output; whole or not at all",
    },
    { name: "matrix", help: "show what every initiator gets from every target (text or json)" },
    {
      name: "by",
      value: "METRIC",
      choices: METRICS,
      help: "what --matrix shows: bandwidth (default) or latency",
    },
    {
      name: "save",
      value: "FILE.tar.gz",
      help: "gather this machine for a bug report: the files that hms reads, without serial numbers, MAC addresses and host names",
    },
  ],
  notes: [
    "An input is a folder with sys/ and proc/ or an archive of one (.tar, .tar.gz, .tar.bz2, .tar.xz, .tar.zst), hwloc XML, JSON that hms wrote, a spec in YAML, the name of a machine that ships with hms, or a spec in one line.",
    "Numbers that nobody states are shown as unknown, never as 0. JSON follows schema/topology-1.schema.json of the package @hms/topology.",
  ],
  examples: [
    ["hms topo", "this machine"],
    ["hms topo --save machine.tar.gz", "gather this machine for a bug report"],
    ["hms topo --input machine.tar.gz", "a machine that someone gathered"],
    ["hms topo --input xeon-max --matrix --by latency", "who reaches what, and how soon"],
    ["hms topo --output machine.svg", "a picture"],
    ["hms topo --format json --output machine.json", "for programs"],
    ["hms topo --input machine.json --format hwloc-xml", "from one format to another"],
    ["hms topo --input 'node:2{cpus=8,dram=64GiB@100GB/s/90ns}'", "a machine that does not exist"],
  ],
  async run(options: Options, _operands: readonly string[], console: Console): Promise<number> {
    check(options);
    const save = options.get("save");
    if (save !== undefined) return await saveTo(save, console);
    const machine = await openMachine(options);
    const output = options.get("output");
    const format = formatOf(options, output);
    // Colours belong on a terminal; a file gets them only when asked for by name. Looking whether there is a terminal
    // loads a good part of Node: not for formats that have no use for it.
    const coloured = (): boolean =>
      output === undefined ? console.colour : options.get("color") === "always";
    const view =
      format === "text" ? { colour: coloured(), width: console.width } : { colour: false, width: 0 };
    const text = options.has("matrix")
      ? await matrixText(machine, options, format, view)
      : await write(machine, format, view);
    if (output === undefined || output === "-") console.write(text);
    else (await import("../output.ts")).writeWhole(output, text);
    // Text and JSON of a machine hold its warnings; a matrix does not.
    if (options.has("matrix") || (format !== "text" && format !== "json")) tellWarnings(machine, console);
    return EXIT_DONE;
  },
};

function check(options: Options): void {
  const save = options.get("save");
  if (save !== undefined) {
    const other = ["input", "measured", "no-measured", "format", "output", "matrix", "by"].find((name) =>
      options.has(name),
    );
    if (other !== undefined) throw new UsageError(`Option --save stands alone, but --${other} is given too`);
    if (!/\.(tar\.gz|tgz)$/.test(save))
      throw new UsageError(
        `Option --save takes a name that ends in .tar.gz, but got ${JSON.stringify(save)}`,
      );
  }
  if (options.has("by") && !options.has("matrix")) throw new UsageError("Option --by needs --matrix");
}

function formatOf(options: Options, output: string | undefined): Format {
  const given = FORMATS.find((one) => one === options.get("format"));
  const ending = output === undefined ? undefined : /\.([a-z]+)$/.exec(output.toLowerCase())?.[1];
  const format = given ?? (ending === undefined ? undefined : ENDINGS[ending]) ?? "text";
  if (options.has("matrix") && format !== "text" && format !== "json")
    throw new UsageError(`Option --matrix writes text or json, but the format is ${format}`);
  return format;
}

async function matrixText(
  machine: Machine,
  options: Options,
  format: Format,
  view: { readonly colour: boolean; readonly width: number },
): Promise<string> {
  const by = METRICS.find((one) => one === options.get("by")) ?? "bandwidth";
  if (format === "text") return writeMatrix(machine, { ...view, by });
  const { matrixJson } = await import("../matrix-output.ts");
  return matrixJson(machine, by);
}

async function saveTo(path: string, console: Console): Promise<number> {
  const { writeWhole } = await import("../output.ts");
  console.progress("Reading this machine …");
  const saved = await saveMachine({
    onProgress: (files) => console.progress(`Reading this machine … ${files} files`),
  });
  console.progress("Writing …");
  writeWhole(path, saved.archive);
  console.note(
    `Saved ${saved.files} files of this machine (${Math.ceil(saved.archive.length / 1024)} KiB): ${path}`,
  );
  if (saved.unreadable.length > 0)
    console.note(
      `${saved.unreadable.length} files may be read by root only and are not in it: ${saved.unreadable.slice(0, 3).join(", ")}${saved.unreadable.length > 3 ? ", …" : ""}`,
    );
  return EXIT_DONE;
}
