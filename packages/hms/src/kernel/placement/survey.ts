import {
  COHERENT,
  EMPTY,
  EXCLUSIVE,
  HOST,
  HUGE_PAGES,
  KIND,
  LOST,
  MOVING,
  type PageCount,
  type PageIndex,
  PRIVATE,
  type Space,
  SWAP,
  ZERO,
} from "@hms/hmm";
import { NO_PAGE, type Residence, SOMEWHERE } from "@hms/host-linux";
import type { Kernel } from "../kernel.ts";
import { FILE, HOST as HOST_NAME } from "./place.ts";
import type { Policy } from "./policy.ts";

/** What `where` says of a page: the number of a name in `names`; or that there is none. */
export const NOTHING = -1;

/**
 * Where pages are, up to 512 at a time: as names that reports use. With `nodes`, those of the host's memory are told
 * apart by node, for which the kernel is asked.
 */
export class Survey {
  readonly #kernel: Kernel;
  readonly #residence: Residence;
  /** Names by number; the same numbers for as long as this lives. */
  readonly names: string[] = [];
  readonly #numbers = new Map<string, number>();
  /** Of each page that was looked at. */
  readonly where: Int32Array = new Int32Array(HUGE_PAGES);
  readonly #nodes = new Int32Array(HUGE_PAGES);

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#residence = kernel.residence;
  }

  /** The number of a place's name. */
  number(name: string): number {
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.names.length;
      this.names.push(name);
      this.#numbers.set(name, number);
    }
    return number;
  }

  /** The name of a number. */
  name(number: number): string {
    return this.names[number] ?? HOST_NAME;
  }

  /** Looks at up to 512 pages; `nodes`: the host's are told apart. `inFile`: what is in a file only counts as there. */
  look(space: Space, first: PageIndex, count: PageCount, nodes: boolean, inFile: boolean): void {
    if (nodes) this.#residence.look(space, first, count, this.#nodes);
    for (let k = 0; k < count; k++)
      this.where[k] = this.#placeOf(space, first + k, nodes ? (this.#nodes[k] ?? 0) : SOMEWHERE, inFile);
  }

  #placeOf(space: Space, page: PageIndex, node: number, inFile: boolean): number {
    const flags = space.table.flagsAt(page);
    switch (flags & KIND) {
      case EMPTY:
        return inFile && space.regions.at(page)?.backing != null ? this.number(FILE) : NOTHING;
      case HOST:
      case EXCLUSIVE:
      case MOVING:
        if ((flags & ZERO) !== 0 || node === NO_PAGE) return NOTHING;
        return this.number(node >= 0 ? `node${node}` : HOST_NAME);
      case PRIVATE:
      case COHERENT: {
        const { core } = this.#kernel.open;
        return this.number(core.places.name(space.table.placeOf(flags, space.table.frameAt(page))));
      }
      case SWAP:
        return this.number("swap");
      case LOST:
        return this.number("lost");
      default:
        return NOTHING;
    }
  }
}

/** Which target of a policy each place is; −1: none. Places get their numbers as they are met. */
export class Matching {
  readonly #survey: Survey;
  readonly #policy: Policy;
  readonly #known: number[] = [];

  constructor(survey: Survey, policy: Policy) {
    this.#survey = survey;
    this.#policy = policy;
  }

  /** The place in the policy's targets of what is at a place. */
  targetAt(place: number): number {
    let target = this.#known[place];
    if (target === undefined) {
      const name = this.#survey.name(place);
      const inHost = name === HOST_NAME || /^node\d+$/.test(name);
      target = this.#policy.targets.findIndex(
        ({ place: one }) => one.name === name || (one.kind === "host" && inHost),
      );
      this.#known[place] = target;
    }
    return target;
  }
}

/** Whether pages of the host's memory have to be told apart by node for a policy. */
export function needsNodes(policy: Policy): boolean {
  return policy.nodes.length > 0;
}
