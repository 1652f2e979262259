import type { Warning } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import { type Element, quoted } from "./parse.ts";

/** Warnings about one file, at most. */
export const WARNINGS_MAX = 100;

/** Reads attributes of elements, and notes what is odd about them. */
export class ElementReader {
  readonly warnings: Warning[] = [];

  /** Notes something odd. */
  warn(message: string): void {
    if (this.warnings.length < WARNINGS_MAX) this.warnings.push({ path: "", message });
  }

  /** A set of CPUs or nodes; the empty set when absent or not a mask (with a warning). */
  mask(element: Element, name: string): IndexSet {
    const text = element.attributes[name];
    if (text === undefined) return IndexSet.EMPTY;
    const set = IndexSet.tryParseMask(text);
    if (set === undefined) this.warn(`${describe(element)}: ${name} ${quoted(text)} is no set of numbers`);
    return set ?? IndexSet.EMPTY;
  }

  /** A whole number from 0 up to what a number holds exactly; null when absent, and with a warning when not such a number. */
  whole(element: Element, name: string): number | null {
    const text = element.attributes[name];
    if (text === undefined) return null;
    const value = /^\d{1,20}$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(value)) return value;
    // hwloc's "unknown" of 32 and 64 bits.
    if (text !== "-1" && text !== "18446744073709551615") {
      this.warn(`${describe(element)}: ${name} ${quoted(text)} is no number that can be used`);
    }
    return null;
  }

  /** The kernel's number of an object; null when absent, unknown or too large. */
  osIndex(element: Element): number | null {
    const index = this.whole(element, "os_index");
    return index === null || index === 4_294_967_295 ? null : index;
  }

  /** hwloc's info texts of an object; of several with one name the first. */
  info(element: Element): Record<string, string> {
    const info: Record<string, string> = {};
    for (const child of element.children) {
      if (child.name !== "info") continue;
      const { name, value } = child.attributes;
      if (name === undefined || value === undefined || name === "__proto__") continue;
      if (!Object.hasOwn(info, name)) info[name] = value;
    }
    return info;
  }
}

/** What people call an element: `NUMANode 3`. */
export function describe(element: Element): string {
  const { type, os_index: index, name } = element.attributes;
  const what = element.name === "object" ? (type ?? "object without a type") : element.name;
  return [what, index ?? name]
    .filter((part) => part !== undefined)
    .join(" ")
    .slice(0, 80);
}

/** The objects directly inside an element. */
export function objectsIn(element: Element): Element[] {
  return element.children.filter((child) => child.name === "object");
}
