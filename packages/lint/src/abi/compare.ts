import { compareConstants, compareMacros } from "./compare-constants.ts";
import {
  compareFunctions,
  compareTypes,
  headerGone,
  reportAdded,
  reportUnjudged,
} from "./compare-headers.ts";
import { compareRecords } from "./compare-records.ts";
import type { AbiFinding, Place } from "./finding.ts";
import type { AbiConstant, AbiHeader, AbiInterface, AbiMacro, AbiRecord } from "./interface.ts";

/** Where two interfaces are looked up, and what was found. */
export class Report {
  readonly old: AbiInterface;
  readonly new: AbiInterface;
  readonly findings: AbiFinding[] = [];
  /** Headers whose names stand in another one now, as a whole. */
  readonly movedHeaders: Set<string> = new Set();
  readonly #constants: ReadonlyMap<string, readonly AbiConstant[]>;
  readonly #macros: ReadonlyMap<string, readonly AbiMacro[]>;
  readonly #records: ReadonlyMap<string, readonly AbiRecord[]>;
  readonly #oldConstants: ReadonlyMap<string, readonly AbiConstant[]>;
  readonly #others: ReadonlyMap<string, readonly Place[]>;
  #users: ReadonlyMap<string, readonly AbiConstant[]> | undefined;
  readonly #added = new Map<string, readonly AbiConstant[]>();

  constructor(old: AbiInterface, now: AbiInterface) {
    this.old = old;
    this.new = now;
    const headers = [...now.headers.values()];
    this.#constants = byName(headers.flatMap((header) => [...header.constants.values()]));
    this.#macros = byName(headers.flatMap((header) => [...header.macros.values()]));
    this.#records = byName(headers.flatMap((header) => [...header.records.values()]));
    this.#oldConstants = byName([...old.headers.values()].flatMap((one) => [...one.constants.values()]));
    this.#others = othersOf(headers);
  }

  add(
    finding: Omit<AbiFinding, "old" | "new" | "architectures"> & { old: Place | null; new: Place | null },
  ): void {
    const { old, new: now } = finding;
    this.findings.push({
      ...finding,
      old: old === null ? null : { path: this.old.place(old.path), line: old.line },
      new: now === null ? null : { path: this.new.place(now.path), line: now.line },
      architectures: [this.old.architecture],
    });
  }

  /** What of some headers a program finds that includes one: in it, in what it includes, else in any other. */
  #find<T extends { readonly path: string }>(
    path: string,
    all: readonly T[] | undefined,
  ): { readonly one: T; readonly reachable: boolean } | undefined {
    if (all === undefined) return undefined;
    const own = all.find((one) => one.path === path);
    if (own !== undefined) return { one: own, reachable: true };
    const sees = this.new.headers.get(path)?.sees;
    const seen = all.find((one) => sees?.has(one.path) === true);
    if (seen !== undefined) return { one: seen, reachable: true };
    const [first] = all;
    return first === undefined ? undefined : { one: first, reachable: false };
  }

  findConstant(
    path: string,
    name: string,
  ): { readonly constant: AbiConstant; readonly reachable: boolean } | undefined {
    const found = this.#find(path, this.#constants.get(name));
    // Two headers that have nothing to do with each other may use one name.
    if (
      found === undefined ||
      (!found.reachable && (this.#oldConstants.get(name)?.length ?? 0) > 1 && this.new.headers.has(path))
    )
      return undefined;
    return { constant: found.one, reachable: found.reachable };
  }

  findMacro(path: string, name: string): AbiMacro | undefined {
    const found = this.#find(path, this.#macros.get(name));
    return found?.reachable === true ? found.one : undefined;
  }

  findRecord(
    path: string,
    name: string,
  ): { readonly record: AbiRecord; readonly reachable: boolean } | undefined {
    const found = this.#find(path, this.#records.get(name));
    return found === undefined ? undefined : { record: found.one, reachable: found.reachable };
  }

  /** A new struct of the same header with the same fields at the same places. */
  recordLike(path: string, old: AbiRecord): AbiRecord | undefined {
    const before = this.old.headers.get(path);
    const shape = shapeOf(old);
    if (shape === null) return undefined;
    for (const record of this.new.headers.get(path)?.records.values() ?? [])
      if (before?.records.has(record.name) === false && shapeOf(record) === shape) return record;
    return undefined;
  }

  /** An ioctl that a struct is the answer of, if programs pass it to none. */
  onlyReadBy(record: string): string | null {
    this.#users ??= ioctlsByArgument(this.old);
    const users = this.#users.get(record);
    return users?.every((one) => one.ioctl?.direction === READ) === true ? (users[0]?.name ?? null) : null;
  }

  /** Says where else a name stands now, if it is in the headers of other machines only. */
  onOtherMachines(name: string): string {
    const place = this.new.onOtherMachines(name);
    return place === null ? "" : `; it stands in ${place} now, for other machines than this one`;
  }

  newHeader(path: string): AbiHeader | undefined {
    return this.new.headers.get(path);
  }

  /** Enumerators of a group of the new release, in order. */
  newOf(path: string, group: string | null): readonly string[] {
    const names: string[] = [];
    for (const constant of this.new.headers.get(path)?.constants.values() ?? [])
      if (constant.group === group && group !== null) names.push(constant.name);
    return names;
  }

  /** Constants of a header that the old release had nowhere. */
  addedConstants(path: string): readonly AbiConstant[] {
    let added = this.#added.get(path);
    if (added === undefined) {
      const all = [...(this.new.headers.get(path)?.constants.values() ?? [])];
      added = all.filter((one) => !this.#oldConstants.has(one.name));
      this.#added.set(path, added);
    }
    return added;
  }

  /** Whether a name is there as something else: a constant that became a macro with parameters, a function or a type. */
  isNowOther(path: string, name: string): boolean {
    return this.placeOfOther(path, name) !== null;
  }

  placeOfOther(path: string, name: string): Place | null {
    return this.#find(path, this.#others.get(name))?.one ?? null;
  }

  /** `SCHED_ATTR_SIZE_VER0` for struct sched_attr: kernels with that take older lengths. */
  sizeVersionOf(record: string): string | null {
    const stem = record.replace(/^(struct|union) /, "").toUpperCase();
    for (const name of this.#constants.keys())
      if (
        /_SIZE_VER\d+$/.test(name) &&
        stem.startsWith(name.replace(/_SIZE_VER\d+$/, "").split("_")[0] ?? "?")
      ) {
        const family = name.replace(/_SIZE_VER\d+$/, "");
        if (stem === family || stem.replace("_EVENT", "") === family) return name;
      }
    return null;
  }
}

/** The kernel writes and the program reads: _IOR. */
const READ = 2;

function ioctlsByArgument(all: AbiInterface): ReadonlyMap<string, readonly AbiConstant[]> {
  const map = new Map<string, AbiConstant[]>();
  for (const header of all.headers.values())
    for (const constant of header.constants.values()) {
      const argument = constant.ioctl?.argument;
      if (argument === undefined || argument === null) continue;
      const list = map.get(argument);
      if (list === undefined) map.set(argument, [constant]);
      else list.push(constant);
    }
  return map;
}

function byName<T extends { readonly name: string }>(all: readonly T[]): ReadonlyMap<string, readonly T[]> {
  const map = new Map<string, T[]>();
  for (const one of all) {
    const list = map.get(one.name);
    if (list === undefined) map.set(one.name, [one]);
    else list.push(one);
  }
  return map;
}

/** Names of every sort, for what changed its sort. */
function othersOf(headers: readonly AbiHeader[]): ReadonlyMap<string, readonly Place[]> {
  const map = new Map<string, Place[]>();
  const put = (name: string, place: Place): void => {
    const list = map.get(name);
    if (list === undefined) map.set(name, [place]);
    else list.push(place);
  };
  for (const { path, constants, macros, types, functions } of headers) {
    for (const { name, line } of constants.values()) put(name, { path, line });
    for (const { name, line } of macros.values()) put(name, { path, line });
    for (const { name, line } of types.values()) put(name, { path, line });
    for (const [name, line] of functions) put(name, { path, line });
  }
  return map;
}

/** Fields with their places, as one text; null of a struct without a layout or a field. */
function shapeOf(record: AbiRecord): string | null {
  if (record.layout === null || record.layout.fields.length === 0) return null;
  const fields = record.layout.fields.map((one) => `${one.name}@${one.bitOffset}+${one.bitSize}`);
  return `${record.layout.bytes}:${fields.join(",")}`;
}

/** Compares the interface of two releases on one machine. */
export function compareInterfaces(old: AbiInterface, now: AbiInterface): readonly AbiFinding[] {
  const report = new Report(old, now);
  for (const [path, header] of old.headers) {
    if (!now.headers.has(path) && headerGone(report, header) === "with its names") continue;
    compareConstants(report, header);
    compareMacros(report, header);
    compareRecords(report, header);
    compareTypes(report, header);
    compareFunctions(report, header);
  }
  reportAdded(report);
  reportUnjudged(report);
  return report.findings;
}

/** Brings what was found for several machines together: what is the same on all is said once. */
export function mergeMachines(findings: readonly (readonly AbiFinding[])[]): readonly AbiFinding[] {
  const merged = new Map<string, AbiFinding>();
  for (const list of findings)
    for (const one of list) {
      const key = JSON.stringify([one.rule, one.verdict, one.name, one.message, one.old, one.new]);
      const known = merged.get(key);
      merged.set(
        key,
        known === undefined
          ? one
          : { ...known, architectures: [...new Set([...known.architectures, ...one.architectures])] },
      );
    }
  return differing([...merged.values()]);
}

/** What is new and not the same on all machines: one finding for all of them. */
function differing(findings: readonly AbiFinding[]): readonly AbiFinding[] {
  const added = new Map<string, AbiFinding[]>();
  const rest: AbiFinding[] = [];
  for (const one of findings) {
    const key = JSON.stringify([one.name, one.new]);
    if (one.rule !== "added") rest.push(one);
    else added.set(key, [...(added.get(key) ?? []), one]);
  }
  for (const list of added.values()) {
    const [first] = list;
    if (first === undefined) continue;
    if (list.length === 1) rest.push(first);
    else
      rest.push({
        ...first,
        rule: "new-differs-by-machine",
        verdict: "risk",
        message: list.map((one) => `${one.message} on ${one.architectures.join(" and ")}`).join(", "),
        who: "32-bit programs on a 64-bit kernel pass another layout: the kernel has to translate it.",
        architectures: list.flatMap((one) => one.architectures),
      });
  }
  return rest;
}
