import type { Source } from "./source.ts";

/** The sources of a Linux machine, in the order in which they run. */
export const SOURCES: readonly Source[] = [];
