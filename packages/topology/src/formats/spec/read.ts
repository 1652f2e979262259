import { HmsError } from "../../model/error.ts";
import type { FactsDraft } from "../../model/facts-draft.ts";
import { CpuDraft } from "./cpus.ts";
import { readDevices } from "./devices.ts";
import { Draft, readInfo } from "./draft.ts";
import { Field, type Fields, type SpecOrigin } from "./field.ts";
import { SPEC_TEXT_MAX } from "./limits.ts";
import { readBridges, readLinks, readTargets } from "./links.ts";
import { readDistances, readMatrices } from "./matrices.ts";
import { readNodes } from "./nodes.ts";
import { Numbers } from "./numbers.ts";
import { parseShort } from "./short.ts";
import { SPEC_NAME_KEY, SPEC_VERSION } from "./words.ts";
import { parseYaml } from "./yaml.ts";

const TOP_FIELDS = [
  "hms-spec",
  "name",
  "about",
  "info",
  "sources",
  "source",
  "nodes",
  "devices",
  "targets",
  "links",
  "bridges",
  "implied-links",
  "matrices",
  "distances",
  "cpus",
  "offline-cpus",
  "disallowed-cpus",
  "groups",
];

/**
 * Reads a spec file (YAML): a machine that does not exist, or one written down (docs/reference/spec.md).
 *
 * @param name what errors call the spec: its path
 * @throws HmsError SPEC_INVALID (EINVAL) with the place of what is wrong, SPEC_TOO_LARGE (EFBIG), SPEC_VERSION_UNKNOWN (EPROTONOSUPPORT)
 */
export function readSpec(text: string, name: string): FactsDraft {
  const origin: SpecOrigin = { name, form: "yaml" };
  bound(text, name);
  const root = new Field(parseYaml(text, origin), "", origin);
  checkVersion(root);
  return build(root);
}

/**
 * Reads a spec written in one line, such as `node:2{cpus=56,dram=256GiB@205GB/s/95ns}` (docs/reference/spec.md).
 *
 * @throws HmsError SPEC_INVALID (EINVAL) with the column of what is wrong, SPEC_TOO_LARGE (EFBIG)
 */
export function readShortSpec(text: string): FactsDraft {
  const origin: SpecOrigin = { name: "given as text", form: "short" };
  bound(text, origin.name);
  return build(new Field(parseShort(text, origin), "", origin));
}

function bound(text: string, name: string): void {
  if (text.length <= SPEC_TEXT_MAX) return;
  throw new HmsError(
    "SPEC_TOO_LARGE",
    "EFBIG",
    `Read spec ${name}: expected at most ${SPEC_TEXT_MAX} characters, but got ${text.length}; leave something out.`,
  );
}

function checkVersion(root: Field): void {
  if (root.value.kind !== "map")
    root.fail(`expected a mapping that begins with hms-spec: ${SPEC_VERSION}, but got ${root.describe()}`);
  const field =
    root.peek("hms-spec") ??
    root.fail(`expected hms-spec: ${SPEC_VERSION} at the top, but there is no such field; is this a spec?`);
  const version = field.integer({ min: 1, max: 2 ** 31 - 1 });
  if (version === SPEC_VERSION) return;
  throw new HmsError(
    "SPEC_VERSION_UNKNOWN",
    "EPROTONOSUPPORT",
    `Read spec ${root.origin.name}: its format has version ${version}, but this hms reads version ${SPEC_VERSION}; use a newer hms.`,
  );
}

function build(root: Field): FactsDraft {
  const fields = root.fields(TOP_FIELDS);
  const draft = startDraft(fields);
  const cpus = new CpuDraft(fields.has("groups"));
  readNodes(fields.get("nodes"), draft, cpus);
  cpus.finish(fields, draft);
  const later = readDevices(fields.get("devices"), draft);
  readTargets(fields.get("targets"), draft);
  readDistances(fields.get("distances"), draft);
  for (const step of later) step();
  readMatrices(fields.get("matrices"), draft);
  readLinks(fields.get("links"), draft);
  readBridges(fields.get("bridges"), draft);
  if (!["nodes", "devices", "targets"].some((name) => fields.has(name))) {
    root.fail("there is nothing in this machine; give it nodes or devices");
  }
  draft.facts.linkFacts = draft.pairs.links(root).concat(draft.facts.linkFacts);
  return draft.facts;
}

function startDraft(fields: Fields): Draft {
  const sources = new Map<string, string>();
  for (const [name, field] of fields.get("sources")?.entries() ?? []) sources.set(name, field.prose());
  const source = new Numbers(sources).source(fields.get("source"), null);
  const draft = new Draft(sources, source, fields.get("implied-links")?.flag() ?? true);
  const name = fields.get("name")?.name();
  draft.facts.info = {
    ...readInfo(fields.get("info")),
    ...(name === undefined ? {} : { [SPEC_NAME_KEY]: name }),
  };
  fields.get("about")?.prose();
  return draft;
}
