import { OBJECT_VERSION } from "../../model/object-version.ts";
import { isRecord } from "./decode.ts";

/** The lists of a document whose objects have a version. */
const OBJECT_LISTS = ["targets", "initiators", "links", "bridges"] as const;
/** Objects that a warning names, at most. */
const NAMED_MAX = 4;

/** What is left of a document without the objects whose version is not known. */
export interface KnownObjects {
  /** The lists as they are to be read. */
  readonly lists: Readonly<Record<string, unknown>>;
  readonly unknownVersions: number;
  /** One sentence each. */
  readonly warnings: readonly string[];
}

type Entry = Readonly<Record<string, unknown>>;

/** Whether a program must treat this object as absent (docs/decisions): its version is a number, but not ours. */
function isUnknown(entry: unknown): entry is Entry {
  return (
    isRecord(entry) &&
    typeof entry.version === "number" &&
    Number.isSafeInteger(entry.version) &&
    entry.version !== OBJECT_VERSION
  );
}

/**
 * Takes objects of unknown versions out of a document, and what refers to them with them: members of links and
 * bridges, links that join nothing any more, bridges that lost an end. Nothing else of such objects is looked at, nor
 * is anything checked here: what is wrong stays as it is, for the reader to say so.
 */
export function knownObjects(document: Entry): KnownObjects {
  const lists = new Map<string, readonly unknown[]>();
  for (const name of OBJECT_LISTS) {
    const list = document[name];
    if (Array.isArray(list)) lists.set(name, list);
  }
  const unknown = [...lists].flatMap(([name, list]) =>
    list.filter(isUnknown).map((entry) => ({ type: name.slice(0, -1), entry })),
  );
  if (unknown.length === 0) return { lists: {}, unknownVersions: 0, warnings: [] };
  const absent = new Set<unknown>(unknown.map(({ entry }) => entry.uid));
  const warnings = [describe(unknown)];
  const kept = (name: string): readonly unknown[] =>
    (lists.get(name) ?? []).filter((entry) => !isUnknown(entry));
  const drop = (entry: Entry, sentence: string): boolean => {
    absent.add(entry.uid);
    warnings.push(sentence);
    return false;
  };
  const without = (list: unknown): unknown =>
    Array.isArray(list) ? list.filter((uid: unknown) => !absent.has(uid)) : list;
  const links = kept("links").filter((entry) => {
    if (!isRecord(entry) || !lost(entry, ["targets", "initiators"], absent)) return true;
    return drop(entry, `link ${String(entry.uid)} is left out: none of its members is there`);
  });
  const bridges = kept("bridges").filter((entry) => {
    if (!isRecord(entry)) return true;
    if (Array.isArray(entry.links) && entry.links.some((uid: unknown) => absent.has(uid))) {
      return drop(entry, `bridge ${String(entry.uid)} is left out: it joins a link that is not there`);
    }
    if (!lost(entry, ["initiators"], absent)) return true;
    return drop(entry, `bridge ${String(entry.uid)} is left out: none of its initiators is there`);
  });
  const cleaned = (list: readonly unknown[], names: readonly string[]): readonly unknown[] =>
    list.map((entry) =>
      isRecord(entry)
        ? { ...entry, ...Object.fromEntries(names.map((name) => [name, without(entry[name])])) }
        : entry,
    );
  return {
    lists: {
      targets: cleaned(kept("targets"), ["links"]),
      initiators: cleaned(kept("initiators"), ["links", "bridges"]),
      links: cleaned(links, ["targets", "initiators"]),
      bridges: cleaned(bridges, ["initiators"]),
    },
    unknownVersions: unknown.length,
    warnings,
  };
}

/** Whether an object has members and every one of them is absent. */
function lost(entry: Entry, names: readonly string[], absent: ReadonlySet<unknown>): boolean {
  const members = names.flatMap((name) => {
    const list = entry[name];
    return Array.isArray(list) ? (list as readonly unknown[]) : [];
  });
  return members.length > 0 && members.every((uid) => absent.has(uid));
}

function describe(unknown: readonly { readonly type: string; readonly entry: Entry }[]): string {
  const named = unknown
    .slice(0, NAMED_MAX)
    .map(({ type, entry }) => `${type} ${String(entry.uid).slice(0, 20)} (version ${String(entry.version)})`);
  const more = unknown.length > NAMED_MAX ? ` and ${unknown.length - NAMED_MAX} more` : "";
  const [have, are] = unknown.length === 1 ? ["object has", "is"] : ["objects have", "are"];
  return `${unknown.length} ${have} a version other than ${OBJECT_VERSION} and ${are} treated as absent: ${named.join(", ")}${more}`;
}
