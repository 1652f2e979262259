import type { Machine } from "../model/machine.ts";
import { ANSI_PAINT, NO_PAINT, type Paint } from "./colours.ts";
import { initiatorColumns, initiatorRows } from "./initiator-section.ts";
import { linkLines } from "./link-section.ts";
import { kindReasons, memoryColumns, memoryNote, memoryRows } from "./memory-section.ts";
import { reachLines } from "./reach-section.ts";
import { cpuParts, memoryParts } from "./summary.ts";
import { Survey } from "./survey.ts";
import { fit, table } from "./table.ts";
import { clean, count } from "./words.ts";
import { wrapText } from "./wrap.ts";

/** How text for a terminal is made. */
export interface TextOptions {
  /** Whether to colour it, with the codes of a terminal of 256 colours. */
  readonly colour: boolean;
  /** Columns of the terminal; lines are never longer (but at least WIDTH_MIN). */
  readonly width: number;
}

/** Narrower terminals get lines of this width. */
const WIDTH_MIN = 60;
/** Wider ones too: further apart than this columns are hard to follow. */
const WIDTH_MAX = 160;
/** Warnings that are written out. */
const WARNINGS_MAX = 5;

/**
 * A machine for a person at a terminal: its memories by kind with size, who is near, bandwidth and latency; what
 * reads and writes them; links; what cannot be reached; warnings. Equal things share a line, so that a machine of
 * a thousand nodes is as short as one of two. A number that is not known is `?`, never 0.
 *
 * @returns lines that end in a line feed
 *
 * @example
 * ```ts
 * import { discoverLive, renderText } from "@hms/topology";
 * process.stdout.write(renderText(discoverLive(), { colour: false, width: 80 }));
 * ```
 */
export function renderText(machine: Machine, options: TextOptions): string {
  const paint = options.colour ? ANSI_PAINT : NO_PAINT;
  const width = Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, Math.floor(options.width)));
  const survey = new Survey(machine);
  const section = (title: string, note: string, lines: readonly string[]): string[] => {
    if (lines.length === 0) return [];
    const text = fit(note === "" ? title : `${title}  ${note}`, width);
    const heading = `${paint.bold(text.slice(0, title.length))}${paint.dim(text.slice(title.length))}`;
    return ["", heading, ...lines.map((line) => `  ${line}`)];
  };
  const inner = width - 2;
  const memory = table(memoryColumns(), memoryRows(survey, paint), inner, paint.dim);
  const initiators = table(initiatorColumns(), initiatorRows(survey, paint), inner, paint.dim);
  const lines = [
    ...header(machine, paint, width),
    ...section("MEMORY", memoryNote(survey), memory),
    ...kindReasons(machine, inner).map((line) => paint.dim(`  ${line}`)),
    ...section("INITIATORS", "what reads and writes memory", initiators),
    ...section("LINKS", "who reaches what directly", linkLines(survey, inner, paint)),
    ...section("OUT OF REACH", "no way from the one to the other", reachLines(survey, inner)),
    ...warningLines(machine, paint, width),
  ];
  return `${lines.join("\n")}\n`;
}

function header(machine: Machine, paint: Paint, width: number): string[] {
  const { info } = machine;
  const system = [info.OSName, info.OSRelease, info.Architecture]
    .filter((part) => part !== undefined && part !== "")
    .map((part) => clean(part ?? "", 30));
  const model =
    info.CPUModel ?? machine.groups.find((group) => group.info.CPUModel !== undefined)?.info.CPUModel;
  const name = clean(machine.name, 40);
  const rest = [system.join(" "), model === undefined ? "" : clean(model, 48)].filter((part) => part !== "");
  const title = fit([name, ...rest].join("  ·  "), width);
  const head = `${paint.bold(title.slice(0, name.length))}${title.slice(name.length)}`;
  return [
    head,
    ...wrap(
      cpuParts(machine).map((text) => ({ text })),
      width,
    ),
    ...wrap([...memorySums(machine, paint), ...warningCount(machine, paint)], width),
  ];
}

function memorySums(machine: Machine, paint: Paint): Part[] {
  return memoryParts(machine).map(({ kind, text }) => ({ text, paint: (shown) => paint.kind(kind, shown) }));
}

function warningCount(machine: Machine, paint: Paint): Part[] {
  const number = machine.warnings.length;
  return number === 0 ? [] : [{ text: count(number, "warning"), paint: paint.warn }];
}

interface Part {
  readonly text: string;
  readonly paint?: (text: string) => string;
}

/** Joins parts by dots into lines of at most a width. */
function wrap(parts: readonly Part[], width: number): string[] {
  const lines: string[] = [];
  let line = "";
  let used = 0;
  for (const { text, paint } of parts) {
    const separator = used === 0 ? "" : " · ";
    if (used > 0 && used + separator.length + text.length > width) {
      lines.push(line);
      line = "";
      used = 0;
    }
    const joint = used === 0 ? "" : separator;
    const cut = fit(text, width);
    line += joint + (paint === undefined ? cut : paint(cut));
    used += joint.length + cut.length;
  }
  if (used > 0) lines.push(line);
  return lines;
}

function warningLines(machine: Machine, paint: Paint, width: number): string[] {
  const { warnings } = machine;
  if (warnings.length === 0) return [];
  const lines = warnings.slice(0, WARNINGS_MAX).flatMap(({ path, message }) => {
    const sentence = `${path === "" ? "" : `${clean(path, 60)}: `}${clean(message, 400)}`;
    return wrapText(sentence, width - 2, 3).map((line) => `  ${line}`);
  });
  const rest = Math.max(0, warnings.length - WARNINGS_MAX);
  if (rest > 0) lines.push(`  and ${count(rest, "more", "more")}`);
  return ["", paint.warn(`WARNINGS (${warnings.length})`), ...lines];
}
