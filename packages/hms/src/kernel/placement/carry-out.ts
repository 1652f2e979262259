import { CAUSE, HUGE_PAGES, type PageCount, type PageIndex } from "@hms/hmm";
import { type PlacementReport, ReportBuilder } from "@hms/policy";
import type { Kernel } from "../kernel.ts";
import type { SpaceEntry } from "../objects.ts";
import { Capacity } from "./capacity.ts";
import { IMMOVABLE, Mover, type Reason } from "./mover.ts";
import { FILE } from "./place.ts";
import type { Policy } from "./policy.ts";
import { Matching, NOTHING, needsNodes, Survey } from "./survey.ts";

/** What is done with the pages of a range: nothing, as if they moved, or they do. */
export type Deed = "look" | "pretend" | "move";

/** Told of pages that moved: so that they can be moved back. */
export type OnMoved = (first: PageIndex, count: PageCount, from: string) => void;

/** Applies a policy to the pages of a range, 512 at a time, and gathers the report. */
export class CarryOut {
  readonly #entry: SpaceEntry;
  readonly #policy: Policy;
  readonly #survey: Survey;
  readonly #match: Matching;
  readonly #capacity: Capacity;
  readonly #mover: Mover;
  readonly #onMoved: OnMoved;
  readonly #nodes: boolean;
  readonly #inFile: boolean;
  readonly #before = new Int32Array(HUGE_PAGES);
  readonly #want = new Int32Array(HUGE_PAGES);
  readonly #to = new Int32Array(HUGE_PAGES);
  readonly #reasons: (Reason | undefined)[] = [];
  readonly #wanted: number[];
  readonly #placed: number[];
  readonly #moved: number[];
  readonly #refused: ReportBuilder;
  readonly #elsewhere = new Map<string, PageCount>();
  #pages = 0;

  constructor(kernel: Kernel, entry: SpaceEntry, policy: Policy, onMoved: OnMoved = () => {}) {
    this.#entry = entry;
    this.#policy = policy;
    this.#survey = new Survey(kernel);
    this.#match = new Matching(this.#survey, policy);
    this.#capacity = new Capacity(kernel, entry, policy);
    this.#mover = new Mover(kernel, CAUSE.bind);
    this.#onMoved = onMoved;
    this.#nodes = needsNodes(policy);
    this.#inFile = policy.targets.some(({ place }) => place.name === FILE);
    const zeros = policy.targets.map(() => 0);
    this.#wanted = zeros;
    this.#placed = [...zeros];
    this.#moved = [...zeros];
    this.#refused = new ReportBuilder(policy.mode, 0);
  }

  /** Does the next pages of a range: at most those of 2 MiB. Returns how many. */
  step(first: PageIndex, end: PageIndex, deed: Deed): PageCount {
    const { space } = this.#entry.linux;
    const count = Math.min(HUGE_PAGES - (first % HUGE_PAGES), end - first);
    const { where } = this.#survey;
    this.#survey.look(space, first, count, this.#nodes, this.#inFile);
    this.#before.set(where.subarray(0, count));
    this.#reasons.length = 0;
    this.#assign(first, count, deed);
    if (deed === "move" && this.#bring(first, count))
      this.#survey.look(space, first, count, this.#nodes, this.#inFile);
    this.#tally(first, count, deed);
    return count;
  }

  /** Which target each page is to be in: that whose turn it is, or the first with room. */
  #assign(first: PageIndex, count: PageCount, deed: Deed): void {
    const { turns, targets } = this.#policy;
    const { regions } = this.#entry.linux.space;
    let region = regions.at(first);
    for (let k = 0; k < count; k++) {
      if (region !== null && first + k >= region.end) region = regions.at(first + k);
      const place = this.#before[k] ?? NOTHING;
      this.#want[k] = -1;
      if (place === NOTHING || targets.length === 0) continue;
      const now = this.#match.targetAt(place);
      const wanted = turns ? this.#policy.turnOf(first + k) : this.#inOrder(now);
      this.#want[k] = wanted;
      if (wanted < 0 || wanted === now) continue;
      if (region?.shared === true && targets[wanted]?.place.kind === "device") {
        this.#reasons[k] = IMMOVABLE;
        continue;
      }
      if (deed === "look") continue;
      if (this.#capacity.left(wanted) >= 1) this.#capacity.take(wanted, 1);
      else this.#reasons[k] = this.#capacity.why(wanted);
    }
  }

  /** A page that is in a target stays there unless an earlier one has room. With no room anywhere: the first. */
  #inOrder(now: number): number {
    const { first } = this.#capacity;
    if (now >= 0 && (first < 0 || first >= now)) return now;
    return Math.max(first, 0);
  }

  /** Moves pages: to nodes all together, elsewhere in runs. False: nothing was to move. */
  #bring(first: PageIndex, count: PageCount): boolean {
    const { space } = this.#entry.linux;
    const to = this.#to.fill(-1, 0, count);
    let any = false;
    let toNodes = false;
    const stay = (from: PageIndex, pages: PageCount, reason: Reason): void => {
      for (let i = from - first; i < from - first + pages; i++) {
        this.#reasons[i] = reason;
        to[i] = -1;
      }
    };
    for (let k = 0; k < count; ) {
      const run = this.#runAt(k, count);
      const place = this.#policy.targets[this.#want[k] ?? -1]?.place;
      if (run > 0 && place?.kind === "node") {
        to.fill(place.node, k, k + run);
        this.#mover.fetch(space, first + k, run, stay);
        toNodes = true;
      } else if (run > 0 && place !== undefined) {
        this.#mover.move(space, first + k, run, place, stay);
        any = true;
      }
      k += Math.max(1, run);
    }
    if (toNodes) this.#mover.spread(space, first, count, to, stay);
    return any || toNodes;
  }

  /** How many pages from `k` on are to go from one place to another together. */
  #runAt(k: number, count: PageCount): PageCount {
    let run = 0;
    while (k + run < count) {
      const want = this.#want[k + run] ?? -1;
      const place = this.#before[k + run] ?? NOTHING;
      if (want < 0 || want !== this.#want[k] || this.#reasons[k + run] !== undefined) break;
      if (place !== this.#before[k] || this.#match.targetAt(place) === want) break;
      run++;
    }
    return run;
  }

  #tally(first: PageIndex, count: PageCount, deed: Deed): void {
    const { where } = this.#survey;
    for (let k = 0; k < count; k++) {
      const before = this.#before[k] ?? NOTHING;
      if (before === NOTHING) continue;
      this.#pages++;
      const want = this.#want[k] ?? -1;
      const reason = this.#reasons[k];
      const pretended = deed === "pretend" && want >= 0 && reason === undefined;
      const now = where[k] ?? NOTHING;
      const target = pretended ? want : this.#match.targetAt(now);
      if (want >= 0) this.#add(this.#wanted, want);
      if (target >= 0) this.#add(this.#placed, target);
      else this.#count(this.#survey.name(now));
      if (target >= 0 && target !== this.#match.targetAt(before)) {
        this.#add(this.#moved, target);
        if (deed === "move") this.#onMoved(first + k, 1, this.#survey.name(before));
      }
      if (deed !== "look" || reason === IMMOVABLE)
        this.#judge(want, target, reason, pretended ? null : this.#survey.name(now));
    }
  }

  /** Why a page is not in the target that it was wanted in, or not in the first of those in order. */
  #judge(want: number, target: number, reason: Reason | undefined, now: string | null): void {
    const { turns, targets } = this.#policy;
    const name = (i: number): string => targets[i]?.place.name ?? "";
    const place = now ?? name(target);
    if (want >= 0 && target !== want) {
      const why = reason ?? { by: "kernel" as const, errno: "EBUSY" as const, why: "they were in use" };
      this.#refused.refused({ target: name(want), ...why, now: place }, 1);
    } else if (!turns && want > 0) {
      for (let i = 0; i < want; i++)
        if (this.#capacity.left(i) < 1)
          this.#refused.refused({ target: name(i), ...this.#capacity.why(i), now: place }, 1);
    }
  }

  #add(counts: number[], target: number): void {
    counts[target] = (counts[target] ?? 0) + 1;
  }

  #count(place: string): void {
    this.#elsewhere.set(place, (this.#elsewhere.get(place) ?? 0) + 1);
  }

  /** Whether pages count that are in a file only. */
  get inFile(): boolean {
    return this.#inFile;
  }

  report(): PlacementReport {
    const { targets, decision, refusal, mode } = this.#policy;
    const builder = new ReportBuilder(mode, this.#pages);
    for (const [i, { place }] of targets.entries()) {
      builder
        .target(place.name)
        .wanted(place.name, this.#wanted[i] ?? 0)
        .placed(place.name, this.#placed[i] ?? 0)
        .moved(place.name, this.#moved[i] ?? 0);
    }
    for (const { target, by, errno, why } of decision.refused)
      builder.refused({ target: target.id, by, errno, why }, 0);
    if (refusal !== null)
      builder.refused({ target: targets[0]?.place.name ?? "", by: "kernel", ...refusal }, 0);
    for (const { now, pages, ...refused } of this.#refused.done().refused) {
      for (const one of now) builder.refused({ ...refused, now: one.place }, one.pages);
      if (now.length === 0) builder.refused(refused, pages);
    }
    for (const [place, pages] of this.#elsewhere) builder.elsewhere(place, pages);
    return builder.done();
  }
}
