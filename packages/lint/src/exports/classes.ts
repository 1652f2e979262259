/** Who uses an exported symbol, from the best answer to the worst; `undetermined` says that nobody should guess. */
export const CLASSES = [
  "module",
  "same-module",
  "built-in",
  "tests",
  "headers",
  "nobody",
  "undetermined",
] as const;

export type ExportClass = (typeof CLASSES)[number];
