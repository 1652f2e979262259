// What `exec` and `move` have in common: the options that say where memory is to go.
import type { PlacementRequest } from "@hms/policy";
import { units } from "@hms/topology/lazy";
import { type OptionSpec, type Options, UsageError } from "./command.ts";

const MODES = ["preferred", "strict", "interleave", "weighted"] as const;
const PREFERENCES = ["bandwidth", "latency", "capacity"] as const;

/** The options of a placement request. */
export const PLACEMENT_OPTIONS: readonly OptionSpec[] = [
  {
    name: "for",
    value: "INITIATOR[,INITIATOR…]",
    help: "what uses the memory: node0 (its CPUs), cpu5, a PCI address, or a device's name; the best memory for all of them is taken",
  },
  {
    name: "target",
    value: "TARGET[,TARGET…]",
    help: "the memories, as hms topo names them, in this order; with --for the best of these",
  },
  {
    name: "prefer",
    value: "ORDER",
    choices: PREFERENCES,
    help: "by what a memory is better with --for: bandwidth (default), latency or capacity",
  },
  {
    name: "mode",
    value: "MODE",
    choices: MODES,
    help: "preferred (default): elsewhere rather than not at all; strict: nowhere else; interleave: page by page in turn; weighted: in turn, so many pages each",
  },
  {
    name: "weights",
    value: "N[,N…]",
    help: "with --mode weighted: pages of a turn for each --target (default: by their bandwidths)",
  },
  {
    name: "size",
    value: "SIZE",
    help: "room that is needed, such as 8GiB: as many memories are taken as have it free",
  },
];

/** The request that the options make. Throws UsageError; what names and numbers mean is looked at by who decides. */
export async function requestOf(options: Options): Promise<PlacementRequest> {
  const initiators = namesOf(options, "for");
  const targets = namesOf(options, "target");
  if (initiators === undefined && targets === undefined)
    throw new UsageError("Option --for or --target is required: --for node0, or --target node2");
  const prefer = PREFERENCES.find((one) => one === options.get("prefer"));
  const mode = MODES.find((one) => one === options.get("mode"));
  const weights = weightsOf(options, mode, targets);
  const size = await sizeOf(options, "size");
  if (prefer !== undefined && initiators === undefined)
    throw new UsageError("Option --prefer says what is better for initiators, and goes with --for");
  return {
    ...(initiators === undefined ? {} : { for: initiators }),
    ...(targets === undefined ? {} : { targets }),
    ...(prefer === undefined ? {} : { prefer }),
    ...(mode === undefined ? {} : { mode }),
    ...(weights === undefined ? {} : { weights }),
    ...(size === undefined ? {} : { size }),
  };
}

/** A list of names with commas between; undefined when the option was not given. */
export function namesOf(options: Options, name: string): string[] | undefined {
  const text = options.get(name);
  if (text === undefined) return undefined;
  const names = text.split(",").map((one) => one.trim());
  if (names.includes(""))
    throw new UsageError(`Option --${name} takes names with commas between, but got ${JSON.stringify(text)}`);
  return names;
}

/** A size in bytes; undefined when the option was not given. */
export async function sizeOf(options: Options, name: string): Promise<number | undefined> {
  const text = options.get(name);
  if (text === undefined) return undefined;
  const { tryParseSize } = await units();
  const size = tryParseSize(text);
  if (typeof size === "string") throw new UsageError(`Option --${name}: ${size}`);
  return size;
}

function weightsOf(
  options: Options,
  mode: string | undefined,
  targets: readonly string[] | undefined,
): number[] | undefined {
  const text = options.get("weights");
  if (text === undefined) return undefined;
  if (mode !== "weighted") throw new UsageError("Option --weights goes with --mode weighted");
  const weights = text.split(",").map((one) => (/^\s*\d{1,9}\s*$/.test(one) ? Number(one) : Number.NaN));
  if (weights.some(Number.isNaN))
    throw new UsageError(
      `Option --weights takes whole numbers with commas between, but got ${JSON.stringify(text)}`,
    );
  if (targets === undefined || targets.length !== weights.length)
    throw new UsageError(
      `Option --weights takes one number for each --target, but there are ${weights.length} for ${targets?.length ?? "no listed"} targets`,
    );
  return weights;
}
