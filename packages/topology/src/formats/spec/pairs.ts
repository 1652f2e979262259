import type { Cells, Combination } from "../../assemble/cells.ts";
import { groupLinks } from "../../assemble/links.ts";
import { commonProperties, NUMBERS, propertiesKey } from "../../assemble/properties.ts";
import type { LinkFact, LinkMedium, LinkProperties } from "../../model/facts.ts";
import { OBJECT_VERSION } from "../../model/object-version.ts";
import type { Quantity } from "../../model/quantity.ts";
import type { Field } from "./field.ts";
import { LINKS_MAX } from "./limits.ts";
import { overlay } from "./numbers.ts";

/** Ids of links made of pairs start so; those that a spec writes may not. */
export const IMPLIED_PREFIX = "implied:";

/** What is stated of a pair; pairs of which the same is stated share it. */
interface Statement {
  readonly medium: LinkMedium;
  readonly properties: LinkProperties;
}

/**
 * Who reaches what directly, pair by pair, as the short ways of writing a spec say it; links are made of it at the
 * end. There may be a million pairs, of which a few things are stated.
 */
export class Pairs {
  readonly #initiators = new Map<string, number>();
  readonly #targets = new Map<string, number>();
  /** By number of the initiator, then of the target. */
  readonly #rows: (Statement | undefined)[][] = [];
  readonly #statements = new Memo<LinkProperties, LinkMedium, Statement>((properties, medium) => ({
    medium,
    properties,
  }));
  readonly #overlays = new Memo<LinkProperties, LinkProperties, LinkProperties>(overlay);

  /** States a pair; what is stated twice is as the last statement says. */
  state(initiator: string, target: string, medium: LinkMedium | null, properties: LinkProperties): void {
    const i = numberOf(this.#initiators, initiator);
    const t = numberOf(this.#targets, target);
    let row = this.#rows[i];
    if (row === undefined) {
      row = [];
      this.#rows[i] = row;
    }
    const known = row[t];
    row[t] = this.#statements.get(
      known === undefined ? properties : this.#overlays.get(known.properties, properties),
      medium ?? known?.medium ?? "unknown",
    );
  }

  /** One link for each distinct combination of properties, as links of a real machine are made. */
  links(root: Field): LinkFact[] {
    const { cells, numbers } = this.#cells();
    if (cells.combinations.length > LINKS_MAX) {
      root.fail(`expected at most ${LINKS_MAX} different combinations of numbers, but there are more`);
    }
    const { initiators, targets, combinations } = cells;
    return groupLinks(cells).map((group, i) => {
      const stated = new Set<LinkProperties>();
      for (const initiator of group.initiators) {
        const row = this.#rows[initiator] ?? [];
        for (const target of group.targets) {
          const statement = row[target];
          if (statement !== undefined && numbers.get(statement) === group.combination) {
            stated.add(statement.properties);
          }
        }
      }
      const { medium, properties } = combinations[group.combination] as Combination;
      return {
        id: `${IMPLIED_PREFIX}${i}`,
        version: OBJECT_VERSION,
        medium,
        initiators: group.initiators.map((index) => initiators[index] ?? ""),
        targets: group.targets.map((index) => targets[index] ?? ""),
        properties: withSources(properties, [...stated]),
      };
    });
  }

  /** The matrix that links are made of, and the number of each statement's combination. */
  #cells(): { cells: Cells; numbers: Map<Statement, number> } {
    const initiators = [...this.#initiators.keys()];
    const targets = [...this.#targets.keys()];
    const combination = new Int32Array(initiators.length * targets.length).fill(-1);
    const combinations: Combination[] = [];
    const byKey = new Map<string, number>();
    const numbers = new Map<Statement, number>();
    const numberFor = (statement: Statement): number => {
      const key = `${statement.medium};${propertiesKey(statement.properties)}`;
      const known = byKey.get(key);
      const same = combinations[known ?? -1];
      if (known !== undefined && same !== undefined) {
        same.properties = commonProperties(same.properties, statement.properties);
        return known;
      }
      byKey.set(key, combinations.length);
      return combinations.push({ ...statement }) - 1;
    };
    this.#rows.forEach((row, i) => {
      row.forEach((statement, t) => {
        if (statement === undefined) return;
        let number = numbers.get(statement);
        if (number === undefined) {
          number = numberFor(statement);
          numbers.set(statement, number);
        }
        combination[i * targets.length + t] = number;
      });
    });
    return { cells: { initiators, targets, combination, combinations }, numbers };
  }
}

function numberOf(numbers: Map<string, number>, id: string): number {
  let number = numbers.get(id);
  if (number === undefined) {
    number = numbers.size;
    numbers.set(id, number);
  }
  return number;
}

/** What a function makes of two things, made once for the same two. */
class Memo<A, B, T> {
  readonly #make: (a: A, b: B) => T;
  readonly #made = new Map<A, Map<B, T>>();

  constructor(make: (a: A, b: B) => T) {
    this.#make = make;
  }

  get(a: A, b: B): T {
    let inner = this.#made.get(a);
    if (inner === undefined) {
      inner = new Map();
      this.#made.set(a, inner);
    }
    let made = inner.get(b);
    if (made === undefined) {
      made = this.#make(a, b);
      inner.set(b, made);
    }
    return made;
  }
}

/** Sources that one number names, at most: it may stand for many pairs. */
const SOURCES_MAX = 4;

/** The properties of a link with the sources of all the pairs that it is made of, whose numbers are equal. */
function withSources(properties: LinkProperties, stated: readonly LinkProperties[]): LinkProperties {
  if (stated.length < 2) return properties;
  const joined = (name: (typeof NUMBERS)[number][0]): Quantity | null => {
    const quantity = properties[name];
    const details = new Set(stated.map((one) => one[name]?.detail).filter((detail) => detail !== undefined));
    if (quantity === null || details.size === 0) return quantity;
    return { ...quantity, detail: [...details].slice(0, SOURCES_MAX).join("; ") };
  };
  return { ...properties, ...Object.fromEntries(NUMBERS.map(([name]) => [name, joined(name)])) };
}
