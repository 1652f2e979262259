import { type Explanation, HUGE_PAGES, type PageCount, type PageIndex } from "@hms/hmm";
import { NO_PAGE } from "@hms/host-linux";
import type { Answered, CoreRegistry, Output, TypeValue } from "@hms/uabi";
import type { Cause } from "./journal.ts";
import type { Kernel } from "./kernel.ts";
import type { Range, SpaceEntry } from "./objects.ts";
import type { Policy } from "./placement/policy.ts";

type ExplanationValue = TypeValue<CoreRegistry, "explanation">;
type Explained = Answered<CoreRegistry, "space", "explain">["runs"][number];

/** Pages that one message explains at most. */
const EXPLAINED_MAX: PageCount = 1 << 18;
/** Pages that are looked at between two looks at the limit. */
const EXPLAIN_STEP: PageCount = 8 * HUGE_PAGES;
/** Targets of a policy that an explanation names. */
const TARGETS_MAX = 64;

/** A run that the core explains, with what it does not know. */
interface Run {
  readonly run: Explanation;
  readonly policy: Policy | null;
  readonly node: number | null;
}

/** Where pages are, since when and why: the core's runs, cut where policies change, and nodes if those are asked for. */
export function explain(
  kernel: Kernel,
  entry: SpaceEntry,
  { first, count }: Range,
  { limit, nodes }: { readonly limit: number; readonly nodes: boolean },
): Output<CoreRegistry, "space", "explain"> {
  const { space } = entry.linux;
  const runs: Run[] = [];
  const end = first + Math.min(count, EXPLAINED_MAX);
  let page = first;
  while (page < end && runs.length <= limit) {
    const step = Math.min(EXPLAIN_STEP, end - page);
    for (const run of kernel.open.core.explain(space, page, step))
      for (const one of byPolicy(entry, run)) runs.push(...(nodes ? byNode(kernel, entry, one) : [one]));
    page += step;
  }
  const cut = runs[limit];
  if (cut !== undefined) page = cut.run.first;
  const answer = { runs: runs.slice(0, limit).map(explained) };
  return page < first + count ? { ...answer, next: page } : answer;
}

function byPolicy({ policies }: SpaceEntry, run: Explanation): Run[] {
  if (policies.empty) return [{ run, policy: null, node: null }];
  const parts: Run[] = [];
  const end = run.first + run.count;
  for (let page = run.first; page < end; ) {
    const count = policies.runLength(page, end - page);
    parts.push({ run: { ...run, first: page, count }, policy: policies.at(page), node: null });
    page += count;
  }
  return parts;
}

const found = new Int32Array(HUGE_PAGES);

function byNode(kernel: Kernel, { linux }: SpaceEntry, one: Run): Run[] {
  if (one.run.where !== "host" && one.run.where !== "file") return [one];
  const parts: Run[] = [];
  const end = one.run.first + one.run.count;
  for (let page = one.run.first; page < end; ) {
    const count = Math.min(HUGE_PAGES, end - page);
    kernel.residence.look(linux.space, page, count, found);
    addNodes(parts, one, page, count);
    page += count;
  }
  return parts;
}

function addNodes(parts: Run[], one: Run, first: PageIndex, count: PageCount): void {
  for (let k = 0; k < count; k++) {
    const at = found[k] ?? NO_PAGE;
    const node = at < 0 ? null : at;
    const last = parts.at(-1);
    if (last !== undefined && last.node === node)
      parts[parts.length - 1] = { ...last, run: { ...last.run, count: last.run.count + 1 } };
    else parts.push({ ...one, run: { ...one.run, first: first + k, count: 1 }, node });
  }
}

function explained({ run, policy, node }: Run): ExplanationValue {
  const {
    first,
    count,
    where,
    state,
    writable,
    huge,
    cause,
    from,
    since,
    latest,
    duplicates,
    held,
    override,
  } = run;
  return {
    first,
    count,
    place: where,
    state: state as Explained["state"] & ExplanationValue["state"],
    writable,
    huge,
    cause: cause as Cause,
    from: from ?? undefined,
    since: since === null ? undefined : Math.max(0, Math.floor(since)),
    latest: latest === null ? undefined : Math.max(0, Math.floor(latest)),
    duplicates: duplicates.length === 0 ? undefined : duplicates,
    held: held ?? undefined,
    override:
      override === null
        ? undefined
        : {
            who: override.who,
            what: override.what,
            why: override.why,
            asked: override.asked,
            became: override.became ?? undefined,
            when: Math.max(0, Math.floor(override.when)),
          },
    policy:
      policy === null
        ? undefined
        : {
            mode: policy.mode,
            targets: policy.targets.slice(0, TARGETS_MAX).map(({ place }) => place.name),
            origin: policy.origin,
            when: policy.when,
          },
    node: node ?? undefined,
  };
}
