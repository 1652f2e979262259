import { best, units } from "@hms/topology/lazy";
import { type Command, type Console, EXIT_DONE, EXIT_FAILED, type Options, UsageError } from "../command.ts";
import { INPUT_OPTION, MEASURED_OPTIONS, openMachine, tellWarnings } from "../input.ts";

const ORDERS = ["bandwidth", "latency", "capacity"] as const;
const FORMATS = ["text", "json"] as const;

export const pick: Command = {
  operands: [],
  options: [
    {
      name: "for",
      value: "INITIATOR[,INITIATOR…]",
      help: "what will use the memory: node0 (its CPUs), cpu5, a PCI address, or a device's name; of several the worst counts",
    },
    {
      name: "by",
      value: "ORDER",
      choices: ORDERS,
      help: "what to order by: bandwidth (default), latency or capacity",
    },
    { name: "size", value: "SIZE", help: "room that each target must have, such as 8GiB (default: any)" },
    { name: "count", value: "N", help: "how many targets to list at most (default: all)" },
    INPUT_OPTION,
    ...MEASURED_OPTIONS,
    { name: "format", value: "FORMAT", choices: FORMATS, help: "what to write: text (default), json" },
  ],
  notes: [
    "Targets whose values are not known come after those whose are. Targets without room or out of reach are listed apart, with the reason. When none is left the exit code is 1.",
    "An input is what `hms topo --input` takes: a capture, hwloc XML, JSON that hms wrote, a spec, or the name of a machine that ships with hms.",
  ],
  examples: [
    ["hms pick --for node0", "what suits the CPUs of node 0 on this machine"],
    ["hms pick --for node0 --by capacity --format json", "for programs"],
    ["hms pick --for node0,node1 --by latency --input xeon-max", "what suits both sockets"],
    ["hms pick --for cpu5 --size 8GiB --count 1 --input xeon-max", "the one place for 8 GiB"],
  ],
  async run(options: Options, _operands: readonly string[], console: Console): Promise<number> {
    const initiators = initiatorsOf(options);
    const by = ORDERS.find((one) => one === options.get("by")) ?? "bandwidth";
    const size = await sizeOf(options);
    const count = countOf(options);
    const machine = await openMachine(options);
    const found = await best(machine, initiators, {
      by,
      ...(size === undefined ? {} : { size }),
      ...(count === undefined ? {} : { count }),
    });
    const { pickJson, pickText } = await import("../pick-output.ts");
    const json = options.get("format") === "json";
    const request = { by, size: size ?? null, machine: machine.name };
    console.write(json ? pickJson(found) : await pickText(found, request, console));
    tellWarnings(machine, console);
    if (found.targets.length > 0) return EXIT_DONE;
    console.note(
      `hms: No target of ${machine.name} suits; see the reasons, and ask for less or for other initiators.`,
    );
    return EXIT_FAILED;
  },
};

function initiatorsOf(options: Options): string[] {
  const text = options.get("for");
  if (text === undefined) throw new UsageError("Option --for is required: --for node0");
  const names = text.split(",").map((name) => name.trim());
  if (names.includes(""))
    throw new UsageError(`Option --for takes names with commas between, but got ${JSON.stringify(text)}`);
  return names;
}

async function sizeOf(options: Options): Promise<number | undefined> {
  const text = options.get("size");
  if (text === undefined) return undefined;
  const { tryParseSize } = await units();
  const size = tryParseSize(text);
  if (typeof size === "string") throw new UsageError(`Option --size: ${size}`);
  return size;
}

function countOf(options: Options): number | undefined {
  const text = options.get("count");
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new UsageError(`Option --count takes a whole number from 1, but got ${JSON.stringify(text)}`);
  return Number(text);
}
