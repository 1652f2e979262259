import type { Part, Step } from "../format/case.ts";
import { isLook, PLACE } from "./case-steps.ts";

/** The region of the case that stands for the window of every process. */
export const WINDOW = "w";

/** A step with the number of the operation that it says. */
interface Numbered {
  readonly step: Step;
  readonly at: number;
  /** It looks at something that other processes can change. */
  readonly shared: boolean;
}

/** The same, or (null) a fork. */
interface Ordered extends Omit<Numbered, "step"> {
  readonly step: Step | null;
}

interface Spot {
  readonly region: string;
  readonly first: number;
}

/** A process of the case. */
export class CaseActor {
  readonly steps: Numbered[] = [];
  readonly children: CaseActor[] = [];
  /** How many steps its parent had done when it was forked. */
  forkedAt: number;
  readonly #forkedIn: number;
  /** Where pages of the window are that were moved; null: in the window. */
  readonly #spots: (Spot | null)[];
  /** Pages of which it is not known what they hold in the case. */
  readonly unsure: Set<number>;
  readonly #shift: number;
  readonly #pages: number;

  constructor(
    window: { readonly pages: number; readonly shift: number },
    parent: CaseActor | null,
    at: number,
  ) {
    this.#pages = window.pages;
    this.#shift = window.shift;
    this.#spots = parent === null ? new Array<Spot | null>(window.pages).fill(null) : [...parent.#spots];
    this.unsure = new Set(parent?.unsure);
    this.forkedAt = parent?.steps.length ?? 0;
    this.#forkedIn = at;
    parent?.children.push(this);
  }

  add(step: Step, at: number, shared = false): void {
    this.steps.push({ step, at, shared });
  }

  /** The page is in another region now. */
  moved(page: number, region: string, first: number): void {
    this.#spots[page] = { region, first };
  }

  /** The parts of the case's regions that pages of the window are in. */
  parts(first: number, count: number): Part[] {
    const parts: { region: string; first: number; pages: number }[] = [];
    for (let page = first; page < Math.min(this.#pages, first + Math.max(1, count)); page++) {
      const spot = this.#spots[page] ?? { region: WINDOW, first: this.#shift + page };
      const last = parts.at(-1);
      if (last !== undefined && last.region === spot.region && last.first + last.pages === spot.first)
        last.pages++;
      else parts.push({ ...spot, pages: 1 });
    }
    return parts;
  }

  /** Its steps from one on, with those of the children that it forks on the way. */
  assemble(from = 0, nextChild = 0): Step[] {
    const child = this.children[nextChild];
    if (child === undefined) return this.steps.slice(from).map(({ step }) => step);
    const parent = this.assemble(child.forkedAt, nextChild + 1);
    const fork: Step = { ...PLACE, step: "fork", child: child.assemble(), parent, ends: "exit" };
    return [...this.steps.slice(from, child.forkedAt).map(({ step }) => step), fork];
  }

  /** Its steps and its forks in the order in which the case does them, children's included. */
  order(from = 0, nextChild = 0): Ordered[] {
    const child = this.children[nextChild];
    if (child === undefined) return this.steps.slice(from);
    const fork = { step: null, at: child.#forkedIn, shared: false };
    const rest = this.order(child.forkedAt, nextChild + 1);
    return [...this.steps.slice(from, child.forkedAt), fork, ...child.order(), ...rest];
  }

  /** Leaves out the looks at what others can change. */
  dropSharedLooks(): void {
    const isDropped = ({ shared, step }: Numbered): boolean => shared && isLook(step);
    for (const child of this.children) {
      child.dropSharedLooks();
      child.forkedAt -= this.steps.slice(0, child.forkedAt).filter(isDropped).length;
    }
    const kept = this.steps.filter((numbered) => !isDropped(numbered));
    this.steps.length = 0;
    this.steps.push(...kept);
  }
}

/**
 * The steps of processes that know nothing of each other: one after the other, each a child of one that has nothing
 * mapped. Null: a case cannot have them in an order that means the same.
 */
export function assembleAll(roots: readonly CaseActor[]): Step[] | null {
  const inOrder = isInOrder(roots);
  if (!inOrder) {
    // Each process for itself means the same in any order, if nothing that all of them share matters.
    for (const root of roots) root.dropSharedLooks();
    if (allSteps(roots).some(({ step }) => step?.step === "inject")) return null;
  }
  let steps = roots.at(-1)?.assemble() ?? [];
  for (const root of roots.slice(0, -1).reverse()) {
    steps = [{ ...PLACE, step: "fork", child: root.assemble(), parent: steps, ends: "exit" }];
  }
  return steps;
}

function allSteps(roots: readonly CaseActor[]): Ordered[] {
  return roots.flatMap((root) => root.order());
}

/** Whether the case does everything in the order of the program; a look at what no one else can change may come sooner. */
function isInOrder(roots: readonly CaseActor[]): boolean {
  let last = -1;
  for (const { step, at, shared } of allSteps(roots)) {
    if (step !== null && isLook(step) && !shared) continue;
    if (at < last) return false;
    last = at;
  }
  return true;
}
