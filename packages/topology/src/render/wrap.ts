/** Long sentences on a terminal. */
import { fit, textWidth } from "./table.ts";

/** A sentence in lines of at most a width, those after the first indented; what does not fit into `lines` is cut. */
export function wrapText(text: string, width: number, lines: number): string[] {
  const indent = "  ";
  const result: string[] = [];
  let line = "";
  const words = text.split(" ");
  for (const [i, word] of words.entries()) {
    const next = line === "" ? word : `${line} ${word}`;
    if (textWidth(next) <= width || line.trim() === "") {
      line = next;
      continue;
    }
    if (result.length === lines - 1) {
      line = [line, ...words.slice(i)].join(" ");
      break;
    }
    result.push(fit(line, width));
    line = `${indent}${word}`;
  }
  return [...result, fit(line, width)];
}
