import type { Cells } from "./cells.ts";
import { dominates } from "./properties.ts";

/** Initiators and targets (numbers into the matrix) that one link joins. */
export interface Group {
  readonly combination: number;
  readonly initiators: readonly number[];
  readonly targets: readonly number[];
}

/**
 * Makes links out of the matrix. One link per distinct property combination and connected group of pairs, where
 * the rest of the rectangle of its initiators and targets is better anyway (the best link of a pair counts):
 * "everybody reaches everything at distance 20" is one link although the local pairs are nearer. Where the
 * rectangle would promise too much, targets with the same initiators share a link. A 1,024 × 1,024 matrix of
 * local and remote distances makes 1,025 links, not a million.
 */
export function groupLinks(cells: Cells): Group[] {
  const width = cells.targets.length;
  const pairs: number[][] = cells.combinations.map(() => []);
  cells.combination.forEach((combination, cell) => {
    if (combination >= 0) pairs[combination]?.push(cell);
  });
  const implied = dominanceTable(cells);
  return pairs.flatMap((own, combination) =>
    components(own, width).flatMap((component) => {
      const rectangle = span(component, width);
      const full = rectangle.initiators.every((i) =>
        rectangle.targets.every((t) => {
          const other = cells.combination[i * width + t] ?? -1;
          return other === combination || (other >= 0 && implied(other, combination));
        }),
      );
      const groups = full ? [rectangle] : byEqualInitiators(component, width);
      return groups.map((group) => ({ combination, ...group }));
    }),
  );
}

interface Span {
  readonly initiators: number[];
  readonly targets: number[];
}

function span(pairs: readonly number[], width: number): Span {
  const initiators = new Set<number>();
  const targets = new Set<number>();
  for (const cell of pairs) {
    initiators.add(Math.floor(cell / width));
    targets.add(cell % width);
  }
  const ascending = (a: number, b: number): number => a - b;
  return { initiators: [...initiators].sort(ascending), targets: [...targets].sort(ascending) };
}

/** Splits pairs into groups that share no initiator and no target with each other. */
function components(pairs: readonly number[], width: number): number[][] {
  const parent = new Map<number, number>();
  const find = (x: number): number => {
    let root = x;
    for (let up = parent.get(root); up !== undefined && up !== root; up = parent.get(root)) root = up;
    for (let at = x; at !== root; ) {
      const up = parent.get(at) ?? root;
      parent.set(at, root);
      at = up;
    }
    return root;
  };
  // Targets are numbered −1, −2, … beside the initiators 0, 1, …
  for (const cell of pairs) {
    const initiator = Math.floor(cell / width);
    const target = -1 - (cell % width);
    if (!parent.has(initiator)) parent.set(initiator, initiator);
    if (!parent.has(target)) parent.set(target, target);
    parent.set(find(initiator), find(target));
  }
  const byRoot = new Map<number, number[]>();
  for (const cell of pairs) {
    const root = find(Math.floor(cell / width));
    const component = byRoot.get(root);
    if (component === undefined) byRoot.set(root, [cell]);
    else component.push(cell);
  }
  return [...byRoot.values()];
}

function byEqualInitiators(pairs: readonly number[], width: number): Span[] {
  const ofTarget = new Map<number, number[]>();
  for (const cell of pairs) {
    const target = cell % width;
    const initiators = ofTarget.get(target);
    if (initiators === undefined) ofTarget.set(target, [Math.floor(cell / width)]);
    else initiators.push(Math.floor(cell / width));
  }
  const groups = new Map<string, Span>();
  for (const [target, initiators] of [...ofTarget].sort(([a], [b]) => a - b)) {
    const key = initiators.join();
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { initiators, targets: [target] });
    else group.targets.push(target);
  }
  return [...groups.values()];
}

/** Whether one combination is at least as good as another and made of the same, computed once for each two. */
function dominanceTable(cells: Cells): (better: number, worse: number) => boolean {
  const known = new Map<number, boolean>();
  const count = cells.combinations.length;
  return (better, worse) => {
    const key = better * count + worse;
    let answer = known.get(key);
    if (answer === undefined) {
      const b = cells.combinations[better];
      const w = cells.combinations[worse];
      answer =
        b !== undefined && w !== undefined && b.medium === w.medium && dominates(b.properties, w.properties);
      known.set(key, answer);
    }
    return answer;
  };
}
