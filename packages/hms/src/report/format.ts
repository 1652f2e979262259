import { formatSize } from "@hms/topology";

export const PAGE_BYTES = 4096;

/** `1,024`. */
export function count(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 fault`, `1,024 faults`. */
export function counted(value: number, one: string, many: string = `${one}s`): string {
  return `${count(value)} ${Math.round(value) === 1 ? one : many}`;
}

/** The bytes of pages, as a size. */
export function pagesSize(pages: number): string {
  return formatSize(pages * PAGE_BYTES);
}

export function size(bytes: number): string {
  return formatSize(bytes);
}

/** `2.31 s`, `410 ms`, `12 µs`; `0 s` for none. */
export function duration(ns: number): string {
  if (!(ns > 0)) return "0 s";
  if (ns < 1e3) return `${Math.round(ns)} ns`;
  if (ns < 1e6) return `${Number((ns / 1e3).toPrecision(3))} µs`;
  if (ns < 1e9) return `${Number((ns / 1e6).toPrecision(3))} ms`;
  if (ns < 60e9) return `${(ns / 1e9).toFixed(2)} s`;
  const minutes = Math.floor(ns / 60e9);
  return `${minutes} min ${Math.round(ns / 1e9 - minutes * 60)} s`;
}

/** `12 times`, `once`. */
export function times(value: number): string {
  const rounded = value >= 10 ? Math.round(value) : Math.round(value * 10) / 10;
  if (rounded === 1) return "once";
  return rounded === 2 ? "twice" : `${count10(rounded)} times`;
}

function count10(value: number): string {
  return Number.isInteger(value) ? count(value) : String(value);
}
