import type { FieldLayout } from "./c/layout.ts";
import type { Report } from "./compare.ts";
import {
  type AbiHeader,
  type AbiRecord,
  bytesText,
  commentsAt,
  commentsOf,
  extentText,
} from "./interface.ts";
import { isReserved, saysGated, saysZero } from "./names.ts";

const OLD_BINARIES = "Programs built against the old headers";

/** Compares the structs and unions of one header of the old release with what they are now. */
export function compareRecords(report: Report, header: AbiHeader): void {
  for (const old of header.records.values()) {
    const found = report.findRecord(header.path, old.name);
    if (found === undefined) recordGone(report, header, old);
    else {
      if (!found.reachable && !report.movedHeaders.has(header.path))
        report.add({
          rule: "name-moved",
          verdict: "breaks sources",
          name: old.name,
          old,
          new: found.record,
          message: `it stands in <${found.record.path}> now, which <${old.path}> does not include`,
          who: `Programs that include <${old.path}> alone do not compile until they include <${found.record.path}>.`,
        });
      new RecordComparison(report, header, old, found.record).run();
    }
  }
}

function recordGone(report: Report, header: AbiHeader, old: AbiRecord): void {
  const heir = report.recordLike(header.path, old);
  if (heir === undefined && report.isNowOther(header.path, old.name)) return;
  report.add({
    rule: heir === undefined ? "name-removed" : "name-renamed",
    verdict: "breaks sources",
    name: old.name,
    old,
    new: heir ?? null,
    message:
      heir === undefined ? "it is gone" : `it is gone; ${heir.name} has the same fields at the same places`,
    who: "Programs that name it do not compile; old ones have its layout built in.",
  });
}

class RecordComparison {
  readonly #report: Report;
  readonly #header: AbiHeader;
  readonly #old: AbiRecord;
  readonly #new: AbiRecord;
  /** Names of fields that were reported, so that what is inside of them is not again. */
  readonly #told: string[] = [];

  constructor(report: Report, header: AbiHeader, old: AbiRecord, now: AbiRecord) {
    this.#report = report;
    this.#header = header;
    this.#old = old;
    this.#new = now;
  }

  run(): void {
    const [old, now] = [this.#old, this.#new];
    if (old.layout === null || now.layout === null) {
      // The same reason on both sides says nothing of a change; it is counted with what was not judged.
      this.#report.add({
        rule: "not-judged",
        verdict: "not judged",
        name: old.name,
        old,
        new: now,
        message: `its layout cannot be told: ${now.fault ?? old.fault ?? ""}`,
        who: "",
      });
      return;
    }
    const names = new Map(now.layout.fields.map((field) => [field.name, field]));
    for (const field of old.layout.fields) {
      if (this.#insideTold(field.name)) continue;
      const same = names.get(field.name);
      if (same === undefined) this.#gone(field, now.layout.fields);
      else this.#both(field, same);
    }
    this.#holes();
    this.#extent();
  }

  #insideTold(name: string): boolean {
    return this.#told.some((told) => name.startsWith(`${told}.`) || name.startsWith(`${told}[].`));
  }

  #add(
    finding: Pick<Parameters<Report["add"]>[0], "rule" | "verdict" | "message" | "who">,
    old: FieldLayout | null,
    now: FieldLayout | null,
  ): void {
    const field = old ?? now;
    if (old !== null) this.#told.push(old.name);
    this.#report.add({
      ...finding,
      name: field === null ? this.#old.name : `${this.#old.name}: ${field.name}`,
      old: { path: this.#old.path, line: old?.line ?? this.#old.line },
      new: { path: this.#new.path, line: now?.line ?? this.#new.line },
    });
  }

  #both(old: FieldLayout, now: FieldLayout): void {
    if (old.bitOffset !== now.bitOffset || old.bitSize !== now.bitSize) this.#moved(old, now);
    else this.#retyped(old, now);
  }

  #moved(old: FieldLayout, now: FieldLayout): void {
    const shorter = old.bitOffset === now.bitOffset && now.bitSize < old.bitSize;
    // A reserved field gives room to what is new: that is told by the new field.
    if (isReserved(old.name)) {
      this.#reserved(old);
      return;
    }
    const wasOne = old.nature.count === 1 && now.flexible && old.bitOffset === now.bitOffset;
    if (wasOne || (old.flexible && now.bitOffset === old.bitOffset)) {
      this.#add(
        {
          rule: "flexible-array",
          verdict: "risk",
          message: `${old.type} became ${now.type}, at the same place`,
          who: "Programs that work lengths out with sizeof get another one when they are built again.",
        },
        old,
        now,
      );
      return;
    }
    // A struct inside that grew at its end: what stands in it and behind it is looked at by itself.
    if (old.nature.kind === "record" && old.nature.count === null && old.bitOffset === now.bitOffset) return;
    const longer = old.bitOffset === now.bitOffset && !shorter;
    const last = this.#isLast(old);
    if (longer && last) {
      this.#add(
        {
          rule: "field-moved",
          verdict: "risk",
          message: `${extentText(old)} became ${extentText(now)}; nothing stands behind it`,
          who: `${OLD_BINARIES} pass the shorter one; that is well only if its length is passed too.`,
        },
        old,
        now,
      );
      return;
    }
    this.#add(
      {
        rule: "field-moved",
        verdict: "breaks binaries",
        message: `${extentText(old)} became ${extentText(now)}`,
        who: `${OLD_BINARIES} read and write it at the old place.`,
      },
      old,
      now,
    );
  }

  #isLast(field: FieldLayout): boolean {
    const end = field.bitOffset + field.bitSize;
    return (this.#old.layout?.fields ?? []).every((other) => other.bitOffset + other.bitSize <= end);
  }

  #retyped(old: FieldLayout, now: FieldLayout): void {
    const [before, after] = [old.nature, now.nature];
    const what = `${old.type} became ${now.type}`;
    if (before.order !== after.order)
      this.#add(
        {
          rule: "field-retyped",
          verdict: "risk",
          message: `${what}: the order of its bytes is stated differently`,
          who: "Programs that follow the old statement are wrong on machines of the other order, or always were.",
        },
        old,
        now,
      );
    else if (before.kind !== after.kind)
      this.#add(
        {
          rule: "field-retyped",
          verdict: after.kind === "record" && before.kind === "integer" ? "breaks sources" : "risk",
          message: `${what}, at the same place`,
          who: "Programs that assign to it as before may not compile; the bytes are the same.",
        },
        old,
        now,
      );
    else if (before.signed !== after.signed && old.nature.count === null)
      this.#add(
        {
          rule: "field-retyped",
          verdict: "risk",
          message: `${what}: ${after.signed ? "it has a sign now" : "it has no sign now"}`,
          who: "The bytes are the same; programs that compare it or print it get another result for large values.",
        },
        old,
        now,
      );
  }

  #gone(old: FieldLayout, now: readonly FieldLayout[]): void {
    if (isReserved(old.name)) {
      this.#reserved(old);
      return;
    }
    const known = new Set(this.#old.layout?.fields.map((field) => field.name));
    const heirs = now.filter((field) => overlaps(field, old) && !known.has(field.name));
    const same = heirs.find((field) => field.bitOffset === old.bitOffset && field.bitSize === old.bitSize);
    if (same !== undefined && isReserved(same.name)) {
      this.#add(
        {
          rule: "field-removed",
          verdict: "breaks sources",
          message: `it is gone, and its place is left free (${same.name})`,
          who: "Programs that name it do not compile; what old ones write there is no longer looked at, or must not be.",
        },
        old,
        same,
      );
      return;
    }
    if (same !== undefined) {
      this.#add(
        {
          rule: "field-renamed",
          verdict: "breaks sources",
          message: `${same.name} stands at its place (${extentText(old)})`,
          who: "Programs that name it do not compile; the bytes are at the same place, and mean the same if it is only another name.",
        },
        old,
        same,
      );
      return;
    }
    this.#add(
      {
        rule: "field-removed",
        verdict: "breaks sources",
        message:
          heirs.length === 0
            ? `it is gone (${extentText(old)})`
            : `it is gone (${extentText(old)}); ${heirs
                .slice(0, 4)
                .map((field) => field.name)
                .join(", ")} ${heirs.length === 1 ? "stands" : "stand"} there`,
        who: "Programs that name it do not compile; old ones still read and write its place.",
      },
      old,
      heirs[0] ?? null,
    );
  }

  /** A reserved field that is gone or shorter: what is new in its place took on a meaning. */
  #reserved(old: FieldLayout): void {
    const known = new Set(this.#old.layout?.fields.map((field) => field.name));
    const users = (this.#new.layout?.fields ?? []).filter(
      (field) =>
        overlaps(field, old) &&
        !known.has(field.name) &&
        !isReserved(field.name) &&
        !isOnlyFrame(field, this.#new),
    );
    this.#told.push(old.name);
    for (const user of users) this.#tookMeaning(old, user);
  }

  #tookMeaning(old: FieldLayout, user: FieldLayout): void {
    const inside = this.#told.some((told) => user.name.startsWith(`${told}.`));
    if (inside) return;
    this.#told.push(user.name);
    const rule = this.#zeroRule(old, user);
    const message = `${user.name} (${extentText(user)}) stands where ${old.name} was reserved`;
    if (rule === null)
      this.#addAt(
        {
          rule: "reserved-used-without-zero-rule",
          verdict: "risk",
          message: `${message}; nothing in the old header says that it had to be zero`,
          who: `${OLD_BINARIES} may pass any bytes there, which mean something now, unless the old kernel refused what was not zero.`,
        },
        old,
        user,
      );
    else
      this.#addAt(
        { rule: "reserved-used", verdict: "compatible", message: `${message}; ${rule}`, who: "" },
        old,
        user,
      );
  }

  #addAt(
    finding: Pick<Parameters<Report["add"]>[0], "rule" | "verdict" | "message" | "who">,
    old: FieldLayout,
    now: FieldLayout,
  ): void {
    this.#report.add({
      ...finding,
      name: `${this.#old.name}: ${old.name}`,
      old: { path: this.#old.path, line: old.line },
      new: { path: this.#new.path, line: now.line },
    });
  }

  /** What says that old programs have zeros there, or that they are not looked at; null if nothing does. */
  #zeroRule(old: FieldLayout, user: FieldLayout): string | null {
    const beside = commentsAt(this.#header, old.line);
    if (saysZero(beside)) return `the old header says of it: "${clipped(beside)}"`;
    const stated = commentsOf(this.#header, this.#old)
      .flatMap((comment) => comment.split(/(?<=[.;])\s|@/))
      .find((sentence) => mentions(sentence, old.name) && saysZero(sentence));
    if (stated !== undefined) return `the old header says of it: "${clipped(stated)}"`;
    const reader = this.#report.onlyReadBy(this.#old.name);
    if (reader !== null) return `only the kernel fills it in, for ${reader}`;
    const header = this.#report.newHeader(this.#new.path);
    const now = header === undefined ? "" : commentsAt(header, user.line);
    return saysGated(now) ? `the new header says when it counts: "${clipped(now)}"` : null;
  }

  /** Fields where the old struct had padding. */
  #holes(): void {
    const old = this.#old.layout;
    if (old === null || this.#old.name.startsWith("union")) return;
    for (const field of this.#new.layout?.fields ?? []) {
      const end = field.bitOffset + field.bitSize;
      if (field.bitSize === 0 || end > old.bytes * 8 || isReserved(field.name)) continue;
      if (old.fields.some((other) => other.name === field.name || overlaps(other, field))) continue;
      if (this.#told.some((told) => field.name.startsWith(`${told}.`))) continue;
      this.#told.push(field.name);
      this.#add(
        {
          rule: "hole-filled",
          verdict: "risk",
          message: `it stands at ${extentText(field)}, where the old struct had padding`,
          who: `${OLD_BINARIES} leave whatever was in memory there, unless they cleared the whole struct.`,
        },
        null,
        field,
      );
    }
  }

  #extent(): void {
    const [old, now] = [this.#old.layout, this.#new.layout];
    if (old === null || now === null) return;
    if (now.bytes > old.bytes) this.#grew(old.bytes, now.bytes);
    else if (now.bytes < old.bytes)
      this.#add(
        {
          rule: "struct-shrank",
          verdict: "risk",
          message: `${bytesText(old.bytes)} became ${bytesText(now.bytes)}`,
          who: `${OLD_BINARIES} pass the longer one, and read fields behind its end if the kernel writes the shorter one.`,
        },
        null,
        null,
      );
    else if (now.align !== old.align)
      this.#add(
        {
          rule: "alignment-changed",
          verdict: "risk",
          message: `aligned to ${bytesText(now.align)} instead of ${bytesText(old.align)}`,
          who: "Structs that have it inside may lay it out at another place.",
        },
        null,
        null,
      );
  }

  #grew(before: number, after: number): void {
    const passed = this.#lengthPassed();
    const added = (this.#new.layout?.fields ?? [])
      .filter((field) => field.bitOffset >= before * 8 && !field.name.includes("."))
      .map((field) => field.name);
    const what =
      added.length === 0
        ? ""
        : ` (${added.slice(0, 6).join(", ")}${added.length > 6 ? ", …" : ""} at its end)`;
    this.#add(
      {
        rule: "struct-grew",
        verdict: passed === null ? "risk" : "compatible",
        message: `${bytesText(before)} became ${bytesText(after)}${what}${passed === null ? "" : `; ${passed}`}`,
        who:
          passed === null
            ? `${OLD_BINARIES} pass room for ${bytesText(before)}: that is well only where its length is passed too, or nothing stands behind it.`
            : "",
      },
      null,
      null,
    );
  }

  /** What says that a program passes the length that it knows. */
  #lengthPassed(): string | null {
    const field = this.#old.layout?.fields.find((one) =>
      /^(size|argsz|struct_size|.*_size_bytes|usize)$/.test(one.name),
    );
    const version = this.#report.sizeVersionOf(this.#old.name);
    if (version !== null) return `${version} shows that its length is passed`;
    return field !== undefined && field.bitOffset <= 128 ? `programs pass its length in ${field.name}` : null;
  }
}

function overlaps(one: FieldLayout, other: FieldLayout): boolean {
  return one.bitOffset < other.bitOffset + other.bitSize && other.bitOffset < one.bitOffset + one.bitSize;
}

/** A struct or union whose members are told by themselves. */
function isOnlyFrame(field: FieldLayout, record: AbiRecord): boolean {
  return (record.layout?.fields ?? []).some(
    (other) => other.name.startsWith(`${field.name}.`) || other.name.startsWith(`${field.name}[].`),
  );
}

function mentions(text: string, name: string): boolean {
  const last = name.split(".").at(-1) ?? name;
  return new RegExp(`\\b${last}\\b|\\b(reserved|padding|unused)\\b`, "i").test(text);
}

function clipped(text: string): string {
  const plain = text.replace(/\s+/g, " ").trim();
  return plain.length > 100 ? `${plain.slice(0, 100)}…` : plain;
}
