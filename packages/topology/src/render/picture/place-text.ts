/** A text in its place. */
import { cut, measure, STYLES, type TextStyle } from "./font.ts";
import type { PlacedText } from "./scene.ts";

/** A text with its upper left corner at a point, cut to the room that it has. */
export function textAt(
  text: string,
  style: TextStyle,
  faint: boolean,
  x: number,
  y: number,
  room: number,
  align: PlacedText["align"] = "left",
): PlacedText {
  const shown = cut(text, style, room);
  const baseline = y + STYLES[style].size * 1.02;
  return { x, y: baseline, text: shown, style, faint, width: measure(shown, style), align };
}
