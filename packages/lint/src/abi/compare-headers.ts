import type { Report } from "./compare.ts";
import { type AbiHeader, bytesText } from "./interface.ts";
import { isPrivate } from "./names.ts";

// Headers, types and functions: what is left when constants and structs are compared.

/** A header that is not there any more: one finding and not hundreds, if all that it had went with it or to one other. */
export function headerGone(report: Report, header: AbiHeader): "with its names" | "names elsewhere" {
  const { path, constants, records, macros } = header;
  const heirs = new Map<string, number>();
  const count = (to: string | undefined): void => {
    if (to !== undefined) heirs.set(to, (heirs.get(to) ?? 0) + 1);
  };
  for (const name of constants.keys()) count(report.findConstant(path, name)?.constant.path);
  for (const name of records.keys()) count(report.findRecord(path, name)?.record.path);
  const names = constants.size + records.size;
  const [heir = "", kept = 0] = [...heirs].sort((a, b) => b[1] - a[1])[0] ?? [];
  const had = `${constants.size} constants, ${records.size} structs and unions, ${macros.size} macros`;
  const moved = kept > 0 && kept >= names / 2;
  if (moved) report.movedHeaders.add(path);
  report.add({
    rule: moved ? "header-moved" : "header-removed",
    verdict: "breaks sources",
    name: `<${path}>`,
    old: { path, line: 1 },
    new: moved ? { path: heir, line: 1 } : null,
    message: moved
      ? `the header is gone; ${kept} of its ${names} names stand in <${heir}> now`
      : `the header is gone with ${had}`,
    who: moved
      ? `Programs that include it do not compile until they include <${heir}>.`
      : "Programs that include it do not compile; old ones still call what it was for, and whether the kernel answers is not in the headers.",
  });
  return moved ? "names elsewhere" : "with its names";
}

export function compareTypes(report: Report, header: AbiHeader): void {
  for (const old of header.types.values()) {
    const now = report.newHeader(header.path)?.types.get(old.name);
    if (now === undefined) {
      if (!report.isNowOther(header.path, old.name) && report.findRecord(header.path, old.name) === undefined)
        report.add({
          rule: "name-removed",
          verdict: isPrivate(old.name) ? "risk" : "breaks sources",
          name: `typedef ${old.name}`,
          old,
          new: null,
          message: `it is gone (it was ${old.text})`,
          who: "Programs that name it do not compile.",
        });
    } else if (old.bytes !== null && now.bytes !== null && old.bytes !== now.bytes)
      report.add({
        rule: "type-changed",
        verdict: "breaks binaries",
        name: `typedef ${old.name}`,
        old,
        new: now,
        message: `${old.text} (${bytesText(old.bytes)}) became ${now.text} (${bytesText(now.bytes)})`,
        who: "Programs built against the old headers pass the other size.",
      });
    else if (old.signed !== now.signed)
      report.add({
        rule: "type-changed",
        verdict: "risk",
        name: `typedef ${old.name}`,
        old,
        new: now,
        message: `${old.text} became ${now.text}: ${now.signed ? "it has a sign now" : "it has no sign now"}`,
        who: "The bytes are the same; programs that compare it get another result for large values.",
      });
  }
}

export function compareFunctions(report: Report, header: AbiHeader): void {
  for (const [name, line] of header.functions) {
    if (report.newHeader(header.path)?.functions.has(name) === true) continue;
    if (report.isNowOther(header.path, name)) continue;
    report.add({
      rule: "name-removed",
      verdict: isPrivate(name) ? "risk" : "breaks sources",
      name: `${name}()`,
      old: { path: header.path, line },
      new: null,
      message: "the function is gone",
      who: "Programs that call it do not compile; old ones have it built in.",
    });
  }
}

/** What is new breaks nobody, but can be made so that it will: that is said while it can still be changed. */
export function reportAdded(report: Report): void {
  for (const [path, header] of report.new.headers) {
    const old = report.old.headers.get(path);
    for (const record of header.records.values()) {
      if (old?.records.has(record.name) === true || (old === undefined && wasElsewhere(report, record.name)))
        continue;
      report.add({
        rule: "added",
        verdict: "compatible",
        name: record.name,
        old: null,
        new: record,
        message: record.layout === null ? "it is new" : `it is new (${bytesText(record.layout.bytes)})`,
        who: "",
      });
      const holes = record.layout?.holeBytes ?? 0;
      if (holes > 0 && record.layout !== null)
        report.add({
          rule: "new-has-holes",
          verdict: "compatible",
          name: record.name,
          old: null,
          new: record,
          message: `it is new, and ${bytesText(holes)} of its ${record.layout.bytes} have no name: kernels may leak memory through them, and they can never take on a meaning`,
          who: "",
        });
    }
    for (const constant of report.addedConstants(path))
      report.add({
        rule: "added",
        verdict: "compatible",
        name: constant.name,
        old: null,
        new: constant,
        message:
          constant.ioctl === null || constant.value.kind !== "integer"
            ? "it is new"
            : `the ioctl is new (0x${constant.value.value.toString(16)})`,
        who: "",
      });
  }
}

function wasElsewhere(report: Report, name: string): boolean {
  for (const header of report.old.headers.values()) if (header.records.has(name)) return true;
  return false;
}

export function reportUnjudged(report: Report): void {
  const before = new Set(report.old.unjudged.map(({ path, what }) => `${path}\0${what}`));
  for (const { path, line, what } of report.new.unjudged)
    report.add({
      rule: "not-judged",
      verdict: "not judged",
      name: `<${path}>`,
      old: null,
      new: { path, line },
      message: before.has(`${path}\0${what}`) ? `${what} (so it was before)` : what,
      who: "",
    });
  for (const { path, line, what } of report.old.unjudged)
    if (!report.new.unjudged.some((one) => one.path === path && one.what === what))
      report.add({
        rule: "not-judged",
        verdict: "not judged",
        name: `<${path}>`,
        old: { path, line },
        new: null,
        message: what,
        who: "",
      });
}
