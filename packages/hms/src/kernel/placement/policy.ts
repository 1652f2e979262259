import type { Nanoseconds, PageCount, PageIndex } from "@hms/hmm";
import type { DecidedTarget, Decision, Mode, PlacementRequest } from "@hms/policy";
import type { ErrnoName } from "@hms/topology";
import type { Machine } from "../objects.ts";
import type { Told } from "./kernel-policy.ts";
import { type Place, placeOf } from "./place.ts";

/** How a range came by its policy. */
export type Origin = "bind" | "default";

/** A target of a policy. */
export interface PolicyTarget {
  readonly place: Place;
  /** Pages of a turn. */
  readonly weight: number;
  readonly why: string;
}

interface PolicyOptions {
  readonly origin: Origin;
  readonly when: Nanoseconds;
  readonly devices: readonly Machine[];
  readonly quiet?: boolean;
}

/** What ranges are under: a decision, as this context carries it out. Ranges share it; it never changes. */
export class Policy {
  readonly request: PlacementRequest;
  readonly decision: Decision;
  readonly origin: Origin;
  readonly when: Nanoseconds;
  /** In order; where pages take turns nodes come first, by their numbers, as the kernel has them take turns. */
  readonly targets: readonly PolicyTarget[];
  /** Pages after which turns begin anew; of each target, the first page of a turn that is not its own any more. */
  readonly period: PageCount;
  readonly #ends: Uint32Array;
  readonly #devices: readonly Machine[];
  /** The kernel is told nothing of it. */
  readonly quiet: boolean;
  /** Numbers of its nodes, in order. */
  readonly nodes: readonly number[];
  /** Pages that are still to be made, and that room was looked for: of a strict one. */
  promised: PageCount = 0;
  needed: PageCount = 0;
  /** The kernel's policy that its ranges have; null: none. */
  told: Told | null = null;
  /** What the kernel answered when it was told; null: it took it, or was not told. */
  refusal: { readonly errno: ErrnoName | null; readonly why: string } | null = null;

  constructor(
    request: PlacementRequest,
    decision: Decision,
    { origin, when, devices, quiet = false }: PolicyOptions,
  ) {
    this.#devices = devices;
    this.quiet = quiet;
    this.request = request;
    this.decision = decision;
    this.origin = origin;
    this.when = when;
    const targets = decision.targets.flatMap((one) => targetOf(one, devices));
    this.targets = this.#takesTurns(decision.mode) ? inTurns(targets) : targets;
    let period = 0;
    this.#ends = Uint32Array.from(this.targets, ({ weight }) => (period += weight));
    this.period = Math.max(1, period);
    this.nodes = this.targets.flatMap(({ place }) => (place.kind === "node" ? [place.node] : []));
  }

  /** The same, of which the kernel is told nothing: the host chooses for each page. */
  again(): Policy {
    const { request, decision, origin, when } = this;
    return new Policy(request, decision, { origin, when, devices: this.#devices, quiet: true });
  }

  get mode(): Mode {
    return this.decision.mode;
  }

  get strict(): boolean {
    return this.decision.mode === "strict";
  }

  /** Whether pages take turns: then each page has one target. */
  get turns(): boolean {
    return this.#takesTurns(this.decision.mode);
  }

  #takesTurns(mode: Mode): boolean {
    return mode === "interleave" || mode === "weighted";
  }

  /** The place in `targets` of the target whose turn a page is. */
  turnOf(page: PageIndex): number {
    const at = page % this.period;
    const ends = this.#ends;
    let low = 0;
    let high = ends.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((ends[middle] ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** How many pages from one on are of the same turn. */
  turnLength(page: PageIndex): PageCount {
    if (this.targets.length === 1) return Number.MAX_SAFE_INTEGER;
    return (this.#ends[this.turnOf(page)] ?? 1) - (page % this.period);
  }

  /** Whether it is as if it had been asked for in the same words. */
  sameAs(other: Policy): boolean {
    return (
      this === other ||
      (this.origin === other.origin &&
        this.mode === other.mode &&
        this.targets.length === other.targets.length &&
        this.targets.every(({ place, weight }, i) => {
          const one = other.targets[i];
          return one?.place.name === place.name && one.weight === weight;
        }))
    );
  }
}

function targetOf(one: DecidedTarget, devices: readonly Machine[]): PolicyTarget[] {
  const place = placeOf(one, devices);
  return place === null ? [] : [{ place, weight: one.weight, why: one.why }];
}

/** The kernel has nodes take turns by their numbers. */
function inTurns(targets: readonly PolicyTarget[]): PolicyTarget[] {
  const rank = ({ place }: PolicyTarget): number =>
    place.kind === "node" ? place.node : Number.MAX_SAFE_INTEGER;
  return [...targets].sort((a, b) => rank(a) - rank(b));
}
