import { fillCells } from "../../assemble/cells.ts";
import { groupLinks } from "../../assemble/links.ts";
import {
  emptyFacts,
  type LinkFact,
  type LinkMedium,
  type LinkProperties,
  type Reach,
} from "../../model/facts.ts";
import { OBJECT_VERSION } from "../../model/machine.ts";
import { overlay } from "./numbers.ts";

/** Ids of links made of pairs start so; those that a spec writes may not. */
export const IMPLIED_PREFIX = "implied:";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Who reaches what directly, pair by pair, as the short ways of writing a spec say it; links are made of it at the end. */
export class Pairs {
  readonly #byInitiator = new Map<string, Map<string, Mutable<Reach>>>();

  /** States a pair; what is stated twice is as the last statement says. */
  state(initiator: string, target: string, medium: LinkMedium | null, properties: LinkProperties): void {
    let row = this.#byInitiator.get(initiator);
    if (row === undefined) {
      row = new Map();
      this.#byInitiator.set(initiator, row);
    }
    const known = row.get(target);
    if (known === undefined) {
      row.set(target, { initiator, target, medium: medium ?? "unknown", properties });
      return;
    }
    known.properties = overlay(known.properties, properties);
    if (medium !== null) known.medium = medium;
  }

  /** One link for each distinct combination of properties, as links of a real machine are made. */
  links(): LinkFact[] {
    const reaches = [...this.#byInitiator.values()].flatMap((row) => [...row.values()]);
    const initiators = [...this.#byInitiator.keys()];
    const targets = [...new Set(reaches.map((reach) => reach.target))];
    const cells = fillCells({ ...emptyFacts(), reaches }, initiators, targets, false);
    const links: LinkFact[] = [];
    for (const group of groupLinks(cells)) {
      const combination = cells.combinations[group.combination];
      if (combination === undefined) continue;
      links.push({
        id: `${IMPLIED_PREFIX}${links.length}`,
        version: OBJECT_VERSION,
        medium: combination.medium,
        initiators: group.initiators.map((i) => initiators[i] ?? ""),
        targets: group.targets.map((i) => targets[i] ?? ""),
        properties: combination.properties,
      });
    }
    return links;
  }
}
