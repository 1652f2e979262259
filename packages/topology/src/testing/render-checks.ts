/** What must hold for the text and the graph of any machine. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import type { Machine } from "../model/machine.ts";
import { renderDot } from "../render/dot.ts";
import { renderMatrix } from "../render/matrix.ts";
import { textWidth } from "../render/table.ts";
import { renderText } from "../render/text.ts";

/** Widths of terminals. */
export const WIDTHS: readonly number[] = [60, 80, 100, 132, 200];

/** Lines of a machine, without colours. */
export function textLines(machine: Machine, width = 80): string[] {
  return renderText(machine, { colour: false, width }).split("\n");
}

/** Lines of its matrix, without colours. */
export function matrixLines(
  machine: Machine,
  width = 80,
  by: "bandwidth" | "latency" = "bandwidth",
): string[] {
  return renderMatrix(machine, { by, colour: false, width }).split("\n");
}

function assertLine(machine: Machine, line: string, width: number): void {
  assert.ok(textWidth(line) <= width, `${machine.name} at ${width} columns: too wide: ${line}`);
  assert.doesNotMatch(line, /[\p{Cc}\p{Co}]|undefined|NaN|\[object/u);
  assert.doesNotMatch(line, /(?:^|\s)0(?:\.0+)? (?:GB\/s|MB\/s|B\/s|ns)/, "an unknown number must not be 0");
}

/** Holds text to the width of a terminal. */
export function assertTextFits(machine: Machine, width: number): void {
  for (const line of textLines(machine, width)) assertLine(machine, line, width);
}

/** Holds the matrix to the width of a terminal, and to a length. */
export function assertMatrixFits(machine: Machine, width: number): void {
  for (const by of ["bandwidth", "latency"] as const) {
    const lines = matrixLines(machine, width, by);
    assert.ok(lines.length < 400, `${machine.name}: ${lines.length} lines`);
    for (const line of lines) assertLine(machine, line, width);
  }
}

/** Why tests of Graphviz skip, false when they need not. */
export const NO_DOT: string | false =
  spawnSync("dot", ["-V"]).error === undefined ? false : "Graphviz is not installed";

/** Holds Graphviz to reading a document; `-Tcanon` parses without laying out. */
export function assertDotReads(machine: Machine): void {
  const done = spawnSync("dot", ["-Tcanon"], {
    input: renderDot(machine),
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  assert.equal(done.status, 0, `${machine.name}: ${done.stderr}`);
  assert.equal(done.stderr, "");
}
