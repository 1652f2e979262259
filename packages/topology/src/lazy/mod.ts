/**
 * The main functions of `@hms/topology`, each loaded at its first call: for programs such as the command line, of
 * which one run needs few of them and whose start counts.
 *
 * @module
 */
import type { DiscoverOptions } from "../discover.ts";
import type { Machine } from "../model/machine.ts";
import type { Best, BestOptions } from "../query/best.ts";
import type { Matrix, Metric } from "../query/matrix.ts";
import type { Saved, SaveOptions } from "../save/save.ts";
import type { FileTree } from "../tree/tree.ts";

export { HmsError } from "../model/error.ts";
export type { Best } from "../query/best.ts";

export const FORMATS = ["text", "json", "svg", "dot", "hwloc-xml", "yaml"] as const;
/** What a machine can be written as. */
export type Format = (typeof FORMATS)[number];

/** How text for a terminal is made; of no effect on other formats. */
export interface WriteOptions {
  readonly colour: boolean;
  /** Columns. */
  readonly width: number;
}

/** As `discover` of `@hms/topology`. */
export async function discover(source?: string | FileTree, options?: DiscoverOptions): Promise<Machine> {
  const module = await import("../discover.ts");
  return module.discover(source, options);
}

/**
 * A machine as text of the given format: `text` for a terminal, `json` (with a published schema), `svg`, `dot` for
 * Graphviz, `hwloc-xml`, or `yaml` (a spec). `discover` reads JSON, hwloc XML and YAML again.
 *
 * Errors: `NOT_EXPRESSIBLE` (EOPNOTSUPP) when hwloc XML has no way to say what the machine is.
 *
 * @example
 * ```ts
 * import { discover, write } from "@hms/topology";
 * const picture = await write(await discover("xeon-max"), "svg");
 * ```
 */
export async function write(
  machine: Machine,
  format: Format,
  options: WriteOptions = { colour: false, width: 100 },
): Promise<string> {
  switch (format) {
    case "text":
      return (await import("../render/text.ts")).renderText(machine, options);
    case "json":
      return (await import("../formats/json/write.ts")).writeJson(machine);
    case "svg":
      return (await import("../render/picture/svg.ts")).renderSvg(machine);
    case "dot":
      return (await import("../render/dot.ts")).renderDot(machine);
    case "hwloc-xml":
      return (await import("../formats/hwloc-xml/write.ts")).writeHwlocXml(machine);
    case "yaml":
      return (await import("../formats/spec/write.ts")).specToYaml(machine);
  }
}

/** Initiators × targets for a terminal. */
export async function writeMatrix(
  machine: Machine,
  options: WriteOptions & { readonly by: Metric },
): Promise<string> {
  return (await import("../render/matrix.ts")).renderMatrix(machine, options);
}

/** As `matrix` of `@hms/topology`. */
export async function matrix(machine: Machine, metric: Metric): Promise<Matrix> {
  return (await import("../query/matrix.ts")).matrix(machine, metric);
}

/** As `best` of `@hms/topology`. */
export async function best(
  machine: Machine,
  initiators: readonly string[],
  options: BestOptions,
): Promise<Best> {
  return (await import("../query/best.ts")).best(machine, initiators, options);
}

/** As `saveMachine` of `@hms/topology`. */
export async function saveMachine(options: SaveOptions): Promise<Saved> {
  return (await import("../save/save.ts")).saveMachine(options);
}

/** `formatSize`, `tryParseSize` and the like. */
export async function units(): Promise<typeof import("../model/units.ts")> {
  return import("../model/units.ts");
}

/** `nearest`, `findInitiator` and the like. */
export async function names(): Promise<typeof import("../query/names.ts")> {
  return import("../query/names.ts");
}
