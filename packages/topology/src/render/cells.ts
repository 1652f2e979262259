/** The matrix of initiators and targets as texts, and its equal rows and columns as one: for a terminal and for pictures. */
import type { Initiator, Machine, Target } from "../model/machine.ts";
import { type Metric, rowOf } from "../query/matrix.ts";
import type { Way } from "../query/path.ts";
import { nameRange } from "./names.ts";
import { type Survey, shortName } from "./survey.ts";
import { clean, KIND_SHORT, times, UNKNOWN, UNREACHABLE } from "./words.ts";

/** What the cells hold; `distance` where no number of the metric asked for is known. */
export type Shown = Metric | "distance";

/** One distinct content of cells. */
export interface CellText {
  /** A number without its unit, `?`, or `·`. */
  readonly text: string;
  /** What the heat scale goes by; null when it is unknown. */
  readonly value: number | null;
}

/** The matrix with each cell as a number into `texts`: few distinct ones, however many cells there are. */
export interface CellTable {
  readonly machine: Machine;
  readonly shown: Shown;
  readonly initiators: readonly Initiator[];
  readonly targets: readonly Target[];
  /** Row major. */
  readonly codes: Uint16Array;
  readonly texts: readonly CellText[];
  /** The targets (places) that each initiator (place) has as its own. */
  readonly own: readonly (readonly number[])[];
}

/** `UNREACHABLE` and `UNKNOWN` come first in `CellTable.texts`. */
const CODE_UNREACHABLE = 0;
const CODE_UNKNOWN = 1;
/** Distinct texts at most; a machine with more of them has its numbers rounded away. */
const TEXTS_MAX = 60_000;

/** Fills the matrix by a metric; by relative distance instead when the metric is known nowhere. */
export function cellTable(survey: Survey, metric: Metric): CellTable {
  const byMetric = fill(survey, metric, metric);
  if (byMetric.texts.some((text) => text.value !== null)) return byMetric;
  const byDistance = fill(survey, metric, "distance");
  return byDistance.texts.some((text) => text.value !== null) ? byDistance : byMetric;
}

function fill(survey: Survey, metric: Metric, shown: Shown): CellTable {
  const { machine } = survey;
  const { initiators, targets } = machine;
  const codes = new Uint16Array(initiators.length * targets.length);
  const texts: CellText[] = [
    { text: UNREACHABLE, value: null },
    { text: UNKNOWN, value: null },
  ];
  const known = new Map<string, number>([[UNKNOWN, CODE_UNKNOWN]]);
  const codeOf = (way: Way): number => {
    const content = wayContent(way, shown);
    let code = known.get(content.text);
    if (code === undefined) {
      if (texts.length >= TEXTS_MAX) return CODE_UNKNOWN;
      code = texts.push(content) - 1;
      known.set(content.text, code);
    }
    return code;
  };
  initiators.forEach((initiator, i) => {
    const row = rowOf(machine, initiator, metric);
    const wayCodes = new Map<number, number>([[-1, CODE_UNREACHABLE]]);
    for (let t = 0; t < targets.length; t++) {
      const number = row.way[t] ?? -1;
      let code = wayCodes.get(number);
      if (code === undefined) {
        const way = row.ways[number];
        code = way === undefined ? CODE_UNREACHABLE : codeOf(way);
        wayCodes.set(number, code);
      }
      codes[i * targets.length + t] = code;
    }
  });
  return { machine, shown, initiators, targets, codes, texts, own: ownPlaces(survey) };
}

function ownPlaces(survey: Survey): number[][] {
  const { initiators, targets } = survey.machine;
  const place = new Map(initiators.map((initiator, i) => [initiator.uid, i]));
  const own: number[][] = initiators.map(() => []);
  targets.forEach((target, t) => {
    const local = survey.local(target);
    if (!local.own) return;
    for (const initiator of local.home) own[place.get(initiator.uid) ?? -1]?.push(t);
  });
  return own;
}

/** Unit of what is shown. */
export const UNITS: Readonly<Record<Shown, string>> = {
  bandwidth: "GB/s",
  latency: "ns",
  distance: "relative to 10 = local",
};

function wayContent(way: Way, shown: Shown): CellText {
  if (shown === "distance") {
    return way.distance === null
      ? { text: UNKNOWN, value: null }
      : { text: number(way.distance), value: way.distance };
  }
  const { value, bound, origin } = way[shown];
  const scale = shown === "bandwidth" ? 1e9 : 1;
  // A distance is a hint, not a measure: what was made of it is marked.
  const mark = origin === "distance" ? "~" : "";
  if (value !== null) return { text: `${mark}${number(value / scale)}`, value };
  if (bound !== null)
    return { text: `${shown === "bandwidth" ? "≤" : "≥"}${number(bound / scale)}`, value: bound };
  return { text: UNKNOWN, value: null };
}

/** Three digits: 5300, 410, 48.5, 1.44, 0.05. */
function number(value: number): string {
  if (value >= 100) return String(Math.round(value));
  if (value >= 10) return String(Math.round(value * 10) / 10);
  return String(Number(value.toPrecision(2)));
}

/** Members of a matrix that look the same, as places in its initiators or targets. */
export interface Side {
  readonly places: readonly [number, ...number[]];
  /** Its members in a short text. */
  readonly name: string;
  /** The name, with how many there are. */
  readonly label: string;
}

/** A matrix with equal rows and equal columns put together. */
export interface Blocks {
  readonly table: CellTable;
  readonly rows: readonly Side[];
  readonly columns: readonly Side[];
}

/** Different rows, or columns, at most: more are not told apart by anybody. */
export const SIDES_MAX = 256;

/**
 * Puts equal rows together, and equal columns. Rows are equal when they are but for their own memory, as those of
 * eight GPUs are of which each is nearer to its own. Undefined when there are more than SIDES_MAX different ones.
 */
export function fineBlocks(survey: Survey, table: CellTable): Blocks | undefined {
  const { initiators, targets, codes, own } = table;
  const owners: number[][] = targets.map(() => []);
  own.forEach((list, i) => {
    for (const t of list) owners[t]?.push(i);
  });
  const rows = group(initiators.length, classOf(table), equalBut(codes, targets.length, own));
  if (rows === undefined) return undefined;
  const turned = transposed(codes, initiators.length, targets.length);
  const columns = group(targets.length, kindOf(table), equalBut(turned, initiators.length, owners));
  return columns === undefined ? undefined : labelled(survey, table, rows, columns);
}

/** Puts all initiators of a class together, and all targets of a kind. */
export function coarseBlocks(survey: Survey, table: CellTable): Blocks {
  const equal = (): boolean => true;
  const rows = group(table.initiators.length, classOf(table), equal) ?? [];
  return labelled(survey, table, rows, group(table.targets.length, kindOf(table), equal) ?? []);
}

type Places = [number, ...number[]];

function labelled(
  survey: Survey,
  table: CellTable,
  rows: readonly Places[],
  columns: readonly Places[],
): Blocks {
  return {
    table,
    rows: rows.map((places) => side(places, rowName(table, places))),
    columns: columns.map((places) => side(places, columnName(survey, table, places))),
  };
}

const classOf =
  ({ initiators }: CellTable) =>
  (i: number): string =>
    `${initiators[i]?.class}`;

const kindOf =
  ({ targets }: CellTable) =>
  (t: number): string =>
    `${targets[t]?.kind.kind};${targets[t]?.device === null}`;

function transposed(codes: Uint16Array, height: number, width: number): Uint16Array {
  const turned = new Uint16Array(codes.length);
  for (let i = 0; i < height; i++) {
    for (let t = 0; t < width; t++) turned[t * height + i] = codes[i * width + t] ?? 0;
  }
  return turned;
}

/** Puts places together that have the same key and are equal to the first of the group. */
function group(
  length: number,
  keyOf: (place: number) => string,
  equal: (place: number, first: number) => boolean,
): Places[] | undefined {
  const groups: Places[] = [];
  const byKey = new Map<string, Places[]>();
  for (let place = 0; place < length; place++) {
    const key = keyOf(place);
    const same = byKey.get(key) ?? [];
    byKey.set(key, same);
    const found = same.find((members) => equal(place, members[0]));
    if (found !== undefined) found.push(place);
    else {
      const fresh: Places = [place];
      if (groups.push(fresh) > SIDES_MAX) return undefined;
      same.push(fresh);
    }
  }
  return groups;
}

/** Whether two rows of a row-major matrix hold the same but for what each has as its own. */
function equalBut(
  codes: Uint16Array,
  width: number,
  own: readonly (readonly number[])[],
): (a: number, b: number) => boolean {
  return (a, b) => {
    const [ownOfA = [], ownOfB = []] = [own[a], own[b]];
    if (ownOfA.length !== ownOfB.length) return false;
    const [startA, startB] = [a * width, b * width];
    for (let k = 0; k < width; k++) {
      if (codes[startA + k] !== codes[startB + k] && !ownOfA.includes(k) && !ownOfB.includes(k)) return false;
    }
    return ownOfA.every((mine, k) => {
      const theirs = ownOfB[k] ?? mine;
      return (
        codes[startA + mine] === codes[startB + theirs] &&
        (mine === theirs || codes[startA + theirs] === codes[startB + mine])
      );
    });
  };
}

function side(places: Places, name: string): Side {
  return { places, name, label: times(places.length, name) };
}

function rowName({ initiators }: CellTable, places: readonly number[]): string {
  const members = places.map((place) => initiators[place]).filter((one) => one !== undefined);
  return clean(nameRange(members.map(shortName)), 40);
}

function columnName(survey: Survey, { targets }: CellTable, places: readonly number[]): string {
  const members = places.map((place) => targets[place]).filter((one) => one !== undefined);
  const ids = nameRange(members.map((target) => target.id));
  const owners = members.map((target) => survey.owner(target)).filter((one) => one !== undefined);
  const named = owners.length === members.length && owners.some((one) => shortName(one) !== one.id);
  return clean(named ? `${nameRange(owners.map(shortName))} (${ids})` : ids, 60);
}

/** Kind of the targets of a column. */
export function columnKind({ targets }: CellTable, side: Side): string {
  return KIND_SHORT[targets[side.places[0]]?.kind.kind ?? "unknown"];
}

/** What a block of equal rows and columns holds: its distinct contents. */
export interface BlockContent {
  /** Of pairs of an initiator and its own memory. */
  readonly own: readonly CellText[];
  /** Of all other pairs. */
  readonly others: readonly CellText[];
}

export function blockContent({ table }: Blocks, row: Side, column: Side): BlockContent {
  const [own, others] = [new Set<number>(), new Set<number>()];
  const width = table.targets.length;
  for (const i of row.places) {
    const mine = table.own[i] ?? [];
    for (const t of column.places) (mine.includes(t) ? own : others).add(table.codes[i * width + t] ?? 0);
  }
  const content = (codes: ReadonlySet<number>): CellText[] =>
    [...codes].sort((a, b) => a - b).map((code) => table.texts[code] ?? { text: UNKNOWN, value: null });
  return { own: content(own), others: content(others) };
}

/** Best and worst of the values shown; null when none is known. */
export function valueRange({
  texts,
  shown,
}: CellTable): { readonly best: number; readonly worst: number } | null {
  const known = texts.map((text) => text.value).filter((value) => value !== null);
  if (known.length === 0) return null;
  const low = known.reduce((a, b) => Math.min(a, b));
  const high = known.reduce((a, b) => Math.max(a, b));
  return shown === "bandwidth" ? { best: high, worst: low } : { best: low, worst: high };
}

/** Contents as one text: a value, or the smallest and the largest. */
export function contentText(contents: readonly CellText[]): string {
  const [first] = contents;
  if (first === undefined) return "";
  if (contents.length === 1) return first.text;
  const known = contents.filter((one) => one.value !== null).sort((a, b) => (a.value ?? 0) - (b.value ?? 0));
  const other = contents.filter((one) => one.value === null).map((one) => one.text);
  const low = known[0];
  const high = known.at(-1);
  // The same number as a value and as a bound (`≤31.5`) is shown once, as the bound.
  const range =
    low === undefined || high === undefined
      ? []
      : [
          low.value === high.value
            ? (known.find((one) => /^\D/.test(one.text)) ?? low).text
            : `${low.text}–${high.text}`,
        ];
  return [...range, ...other].join(" ");
}
