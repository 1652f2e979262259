import type { Part } from "./case.ts";

/** The fields of a part as they are read. */
export interface PartValues {
  readonly region: string;
  readonly first: number | undefined;
  readonly pages: number | undefined;
}

/** A part with its defaults. */
export function toPart({ region, first, pages }: PartValues): Part {
  return { region, first: first ?? 0, pages: pages ?? null };
}
