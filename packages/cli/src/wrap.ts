/** Breaks text at blanks into lines of at most `width` characters; a longer word stays whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** Two columns, the right one wrapped to what `width` leaves; a left side wider than `leftMax` has a line of its own. */
export function twoColumns(
  rows: readonly (readonly [left: string, right: string])[],
  width: number,
  leftMax = 36,
): string {
  const leftWidth = Math.min(leftMax, Math.max(0, ...rows.map(([left]) => left.length)));
  const indent = " ".repeat(leftWidth + 4);
  return rows
    .map(([left, right]) => {
      const [first = "", ...more] = wrap(right, Math.max(20, width - indent.length));
      const gap = left.length > leftWidth ? `\n${indent}` : " ".repeat(leftWidth - left.length + 2);
      return [`  ${left}${gap}${first}`, ...more.map((line) => `${indent}${line}`)].join("\n");
    })
    .join("\n");
}
