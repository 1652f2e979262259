import type { Report } from "./compare.ts";
import type { AbiConstant, AbiHeader, AbiMacro, ConstantValue } from "./interface.ts";
import { isCount, isMask, isPrivate, isReservedMask, isVersion } from "./names.ts";

/** Members of one finding that a message shows. */
const SHOWN_MAX = 6;

const OLD_BINARIES = "Programs built against the old headers";
const NEW_SOURCES = "Programs that name it";

/** Compares the defines and enumerators of one header of the old release with where they are now. */
export function compareConstants(report: Report, header: AbiHeader): void {
  const renumbered = new Map<string, [AbiConstant, AbiConstant][]>();
  const removed: AbiConstant[] = [];
  for (const constant of header.constants.values()) {
    const now = report.findConstant(header.path, constant.name);
    if (now === undefined) {
      removed.push(constant);
      continue;
    }
    if (
      constant.ioctl === null &&
      now.reachable &&
      isRenumbered(constant, now.constant) &&
      constant.group !== null
    ) {
      const key = constant.group;
      const list = renumbered.get(key);
      if (list === undefined) renumbered.set(key, [[constant, now.constant]]);
      else list.push([constant, now.constant]);
      continue;
    }
    if (!now.reachable && !report.movedHeaders.has(header.path)) moved(report, constant, now.constant);
    compareOne(report, constant, now.constant);
  }
  for (const [group, pairs] of renumbered) enumChanged(report, header, group, pairs);
  reportRemoved(report, header, removed);
}

function isRenumbered(old: AbiConstant, now: AbiConstant): boolean {
  return (
    old.value.kind === "integer" &&
    now.value.kind === "integer" &&
    old.value.value !== now.value.value &&
    !isCount(old.name) &&
    !isMask(old.name) &&
    !isReservedMask(old.name)
  );
}

function moved(report: Report, old: AbiConstant, now: AbiConstant): void {
  report.add({
    rule: "name-moved",
    verdict: isPrivate(old.name) ? "risk" : "breaks sources",
    name: old.name,
    old,
    new: now,
    message: `it stands in <${now.path}> now, which <${old.path}> does not include`,
    who: `${NEW_SOURCES} and include <${old.path}> alone do not compile until they include <${now.path}>.`,
  });
}

function compareOne(report: Report, old: AbiConstant, now: AbiConstant): void {
  if (old.ioctl !== null && now.ioctl !== null) ioctlChanged(report, old, now);
  else if (old.value.kind === "integer" && now.value.kind === "integer") numberChanged(report, old, now);
  else if (!sameText(old.value, now.value)) textChanged(report, old, now);
  if (old.isMacro && !now.isMacro)
    report.add({
      rule: "macro-became-enumerator",
      verdict: "risk",
      name: old.name,
      old,
      new: now,
      message: "it was a define and is an enumerator now",
      who: "Programs that ask #ifdef for it no longer find it, though it is there.",
    });
}

function sameText(old: ConstantValue, now: ConstantValue): boolean {
  if (old.kind !== now.kind || old.kind === "integer" || now.kind === "integer") return false;
  return old.text.replace(/\s+/g, "") === now.text.replace(/\s+/g, "");
}

function numberChanged(report: Report, old: AbiConstant, now: AbiConstant): void {
  if (old.value.kind !== "integer" || now.value.kind !== "integer") return;
  const [before, after] = [old.value.value, now.value.value];
  if (before === after) return;
  const change = {
    name: old.name,
    old,
    new: now,
    message: `${shown(before, after)} became ${shown(after, before)}`,
  };
  if (isVersion(old.name))
    report.add({
      ...change,
      rule: "value-changed",
      verdict: "risk",
      who: "Programs that compare versions see another one; what it stands for is not in the headers.",
    });
  else if (isCount(old.name))
    report.add({
      ...change,
      rule: "count-changed",
      verdict: after > before ? "compatible" : "risk",
      who:
        after > before
          ? ""
          : "Programs that size arrays by it or send it as a length get by with less; old ones still send the larger one.",
    });
  else if (isMask(old.name) || isReservedMask(old.name)) {
    const [within, wider] = isReservedMask(old.name) ? [after, before] : [before, after];
    const well = (within & ~wider) === 0n;
    report.add({
      ...change,
      rule: "mask-changed",
      verdict: well ? "compatible" : "breaks binaries",
      who: well ? "" : `${OLD_BINARIES} still go by the old bits.`,
    });
  } else
    report.add({
      ...change,
      rule: "value-changed",
      verdict: "breaks binaries",
      who: `${OLD_BINARIES} have ${shown(before, after)} in them, which is another thing or nothing now.`,
    });
}

function textChanged(report: Report, old: AbiConstant, now: AbiConstant): void {
  const bothTexts = old.value.kind === "text" && now.value.kind === "text";
  const presence = bothTexts && (valueText(old.value) === "" || valueText(now.value) === "");
  report.add({
    rule: bothTexts ? "text-changed" : "code-changed",
    verdict: bothTexts && !presence ? "risk" : "not judged",
    name: old.name,
    old,
    new: now,
    message: `${valueText(old.value) || "nothing"} became ${valueText(now.value) || "nothing"}${why(old.value, now.value)}`,
    who: bothTexts ? `${OLD_BINARIES} have the old text in them.` : "",
  });
}

function why(old: ConstantValue, now: ConstantValue): string {
  const reason = now.kind === "code" ? now.why : old.kind === "code" ? old.why : "";
  return reason === "" ? "" : ` (no number: ${reason})`;
}

function ioctlChanged(report: Report, old: AbiConstant, now: AbiConstant): void {
  const [before, after] = [old.ioctl, now.ioctl];
  if (before === null || after === null || old.value.kind !== "integer" || now.value.kind !== "integer")
    return;
  if (old.value.value === now.value.value) return;
  const numbers = `0x${old.value.value.toString(16)} became 0x${now.value.value.toString(16)}`;
  const onlySize =
    before.type === after.type && before.number === after.number && before.direction === after.direction;
  const change = { name: old.name, old, new: now };
  if (!onlySize) {
    const parts = [
      before.direction === after.direction
        ? ""
        : `direction ${direction(before.direction)} → ${direction(after.direction)}`,
      before.type === after.type ? "" : `type ${letter(before.type)} → ${letter(after.type)}`,
      before.number === after.number ? "" : `number ${before.number} → ${after.number}`,
      before.bytes === after.bytes ? "" : `size ${before.bytes} → ${after.bytes}`,
    ].filter((part) => part !== "");
    report.add({
      ...change,
      rule: "ioctl-number-changed",
      verdict: "breaks binaries",
      message: `${numbers} (${parts.join(", ")})`,
      who: `${OLD_BINARIES} send the old number, which the kernel answers only if it still takes it beside the new one.`,
    });
    return;
  }
  const argument = after.argument ?? before.argument ?? "its argument";
  // drm_ioctl() looks commands up by number alone, copies as many bytes as the caller's size says and fills with zeros.
  const drm = before.type === 0x64 && old.path.startsWith("drm/") && after.bytes > before.bytes;
  report.add({
    ...change,
    rule: "ioctl-size-changed",
    verdict: drm ? "risk" : "breaks binaries",
    message: `${numbers}: ${argument} has ${after.bytes} bytes instead of ${before.bytes}`,
    who: drm
      ? "DRM takes the size from the number and fills what is missing with zeros: old programs go on if zero means what it meant before."
      : `${OLD_BINARIES} send the old number, which the kernel answers only if it still takes it beside the new one.`,
  });
}

function enumChanged(
  report: Report,
  header: AbiHeader,
  group: string,
  pairs: readonly (readonly [AbiConstant, AbiConstant])[],
): void {
  const [first] = pairs;
  if (first === undefined) return;
  const [old, now] = first;
  const list = pairs
    .slice(0, SHOWN_MAX)
    .map(([before, after]) => `${before.name} ${valueText(before.value)} → ${valueText(after.value)}`)
    .join(", ");
  const more = pairs.length > SHOWN_MAX ? `, and ${pairs.length - SHOWN_MAX} more` : "";
  const added = report.newOf(now.path, now.group).filter((name) => !header.constants.has(name));
  const cause = added.length > 0 ? `; new in it: ${added.slice(0, SHOWN_MAX).join(", ")}` : "";
  const hidden = pairs.every(([before]) => isPrivate(before.name));
  report.add({
    rule: "enum-renumbered",
    verdict: hidden ? "risk" : "breaks binaries",
    name: group.startsWith("enum of line") ? `enum of ${old.name}` : group,
    old,
    new: now,
    message: `${pairs.length === 1 ? "an enumerator has another value" : `${pairs.length} enumerators have other values`}: ${list}${more}${cause}`,
    who: `${OLD_BINARIES} have the old values in them, which are another thing or nothing now.`,
  });
}

function reportRemoved(report: Report, header: AbiHeader, removed: readonly AbiConstant[]): void {
  for (const old of removed) {
    if (report.isNowOther(header.path, old.name)) {
      report.add({
        rule: "code-changed",
        verdict: "not judged",
        name: old.name,
        old,
        new: report.placeOfOther(header.path, old.name),
        message: "it was a constant, and is a macro with parameters, a function or a type now",
        who: "",
      });
      continue;
    }
    const heir = heirOf(report, header, old);
    const verdict = isPrivate(old.name) ? ("risk" as const) : ("breaks sources" as const);
    if (heir !== undefined)
      report.add({
        rule:
          old.ioctl !== null
            ? "ioctl-renamed"
            : isRename(old.name, heir.name)
              ? "name-renamed"
              : "value-reused",
        verdict,
        name: old.name,
        old,
        new: heir,
        message: `it is gone; ${heir.name} has its value ${valueText(old.value)} now`,
        who: `${NEW_SOURCES} do not compile; if ${heir.name} means something else, old programs do that something else.`,
      });
    else
      report.add({
        rule: "name-removed",
        verdict,
        name: old.name,
        old,
        new: null,
        message: `it is gone (it was ${valueText(old.value) || "defined"})${report.onOtherMachines(old.name)}`,
        who: `${NEW_SOURCES} do not compile; old programs still send it, and whether the kernel takes it is not in the headers.`,
      });
  }
}

/** A new name in the same enum, or a new ioctl, with the value of one that is gone. */
function heirOf(report: Report, header: AbiHeader, old: AbiConstant): AbiConstant | undefined {
  if (old.value.kind !== "integer" || isCount(old.name)) return undefined;
  const { value } = old.value;
  for (const candidate of report.addedConstants(header.path)) {
    if (candidate.value.kind !== "integer" || candidate.value.value !== value) continue;
    const sameSort = old.ioctl !== null ? candidate.ioctl !== null : sameFamily(old, candidate);
    if (sameSort) return candidate;
  }
  return undefined;
}

/** Whether half of the words that tell two names apart from their family are the same. */
function isRename(old: string, now: string): boolean {
  const [before, after] = [old.split("_"), now.split("_")];
  const family = before.findIndex((word, index) => word !== after[index]);
  const [left, right] = [before.slice(Math.max(0, family)), after.slice(Math.max(0, family))];
  const common = left.filter((word) => right.includes(word)).length;
  return common * 2 >= Math.max(left.length, right.length);
}

/** In one enum, or of names that are nearly the same. */
function sameFamily(old: AbiConstant, now: AbiConstant): boolean {
  if (old.from === "enum" && now.from === "enum" && old.group === now.group) return true;
  const stem = (name: string): string => name.split("_").slice(0, 2).join("_");
  // Of defines only the name tells that they belong together.
  return stem(old.name) === stem(now.name) && isRename(old.name, now.name);
}

/** Compares the macros with parameters. */
export function compareMacros(report: Report, header: AbiHeader): void {
  for (const old of header.macros.values()) {
    const now = report.findMacro(header.path, old.name);
    if (now === undefined) macroGone(report, header, old);
    else if (now.parameters !== old.parameters)
      report.add({
        rule: "macro-changed",
        verdict: "breaks sources",
        name: `${old.name}()`,
        old,
        new: now,
        message: `it takes ${now.parameters} parameters instead of ${old.parameters}`,
        who: `${NEW_SOURCES} do not compile.`,
      });
    else compareBodies(report, old, now);
  }
}

function compareBodies(report: Report, old: AbiMacro, now: AbiMacro): void {
  const differs = old.samples.findIndex((value, index) => value !== now.samples[index]);
  const numbers = old.samples.some((value) => value !== null);
  if (differs < 0 && (numbers || old.text.replace(/\s+/g, "") === now.text.replace(/\s+/g, ""))) return;
  const [before, after] = [old.samples[differs], now.samples[differs]];
  const known = before !== undefined && before !== null && after !== undefined && after !== null;
  report.add({
    rule: "macro-changed",
    verdict: known ? "breaks binaries" : "not judged",
    name: `${old.name}()`,
    old,
    new: now,
    message: known
      ? `for one of the numbers tried it gave ${shown(before, after)} and gives ${shown(after, before)}`
      : "it is written differently, and is no number for the numbers tried",
    who: known ? `${OLD_BINARIES} have the old value in them.` : "",
  });
}

function macroGone(report: Report, header: AbiHeader, old: AbiMacro): void {
  const other = report.isNowOther(header.path, old.name);
  report.add({
    rule: other ? "code-changed" : "name-removed",
    verdict: other ? "not judged" : isPrivate(old.name) ? "risk" : "breaks sources",
    name: `${old.name}()`,
    old,
    new: other ? report.placeOfOther(header.path, old.name) : null,
    message: other ? "it was a macro with parameters, and is something else now" : "it is gone",
    who: other ? "" : `${NEW_SOURCES} do not compile; old programs have it built in.`,
  });
}

function direction(value: number): string {
  return ["none", "write", "read", "read and write"][value] ?? String(value);
}

function letter(type: number): string {
  return type > 0x20 && type < 0x7f ? `'${String.fromCharCode(type)}'` : `0x${type.toString(16)}`;
}

export function valueText(value: ConstantValue): string {
  if (value.kind !== "integer") return value.text.slice(0, 80);
  return shown(value.value, value.value);
}

/** Small numbers as people count, large ones as bits. */
function shown(value: bigint, beside: bigint): string {
  const large = value > 9999n || beside > 9999n;
  return large && value >= 0n ? `0x${value.toString(16)}` : String(value);
}
