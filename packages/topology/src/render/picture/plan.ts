/** What boxes a picture has, one inside the other, and what they say: everything but where they are. */
import type { LinkMedium, MemoryKind } from "../../model/facts.ts";
import type { Link } from "../../model/machine.ts";
import type { TextStyle } from "./font.ts";
import type { Look } from "./scene.ts";

/** A line of text of a box. */
export interface Line {
  readonly text: string;
  readonly style: TextStyle;
  readonly faint?: boolean;
}

/** Boxes side by side. */
export interface Row {
  readonly nodes: readonly PlanNode[];
  /** Broken into several rows when that makes a better shape. */
  readonly wrap: boolean;
  /** Takes what height is left. */
  readonly grows: boolean;
  /** What joins its boxes to those above, null when nothing is drawn. */
  readonly bus: LinkMedium | null;
  /** What the bus says. */
  readonly busText: string[];
}

/** A box with what is inside of it. */
export interface PlanNode {
  readonly key: string;
  readonly look: Look;
  readonly kind: MemoryKind | null;
  /** How many equal things it stands for. */
  readonly copies: number;
  readonly lines: Line[];
  readonly tooltip: string;
  readonly rows: Row[];
  /** Cores to draw as squares. */
  readonly cores: { readonly count: number; readonly small: number } | null;
  /** Uids of the targets and initiators that it is itself. */
  readonly members: ReadonlySet<number>;
  /** Links between what is inside, as lines below its rows. */
  readonly rails: Rail[];
  /** Links that are told in words, below the rails. */
  readonly notes: RailNote[];
}

/** A link that is drawn: a line, and taps from it to boxes. */
export interface Rail {
  readonly medium: LinkMedium;
  /** The label. */
  readonly text: string;
  /** What it joins and its numbers, for where it is not drawn. */
  readonly words: string;
  readonly tooltip: string;
  /** The links that it stands for. */
  readonly links: readonly Link[];
  /** Keys of the boxes that it joins, each directly inside the box that has the rail, or deeper. */
  readonly ends: readonly RailEnd[];
  /** Bytes/s, null when unknown: a wider line for more. */
  readonly bandwidth: number | null;
}

/** An end of a rail. */
export interface RailEnd {
  /** The box directly inside the one that has the rail. */
  readonly outer: string;
  /** The box that is really meant: the same, or one inside of it. */
  readonly inner: string;
}

/** A link, or a few alike, in words. */
export interface RailNote {
  readonly medium: LinkMedium | null;
  readonly text: string;
  readonly tooltip: string;
}

/** How much is drawn one by one. */
export interface Detail {
  /** Alike places side by side, at most; more become tiles or a stack. */
  readonly places: number;
  /** Alike devices and memories side by side, at most. */
  readonly devices: number;
  /** Small boxes for simple places, at most. */
  readonly tiles: number;
  /** Cores as squares, at most. */
  readonly cores: number;
}

/** From the most to the least. */
export const DETAILS: readonly Detail[] = [
  { places: 8, devices: 4, tiles: 128, cores: 128 },
  { places: 4, devices: 2, tiles: 128, cores: 64 },
  { places: 2, devices: 1, tiles: 128, cores: 32 },
  { places: 1, devices: 1, tiles: 0, cores: 0 },
];

/** Boxes side by side, at most; the rest is counted. */
export const SIBLINGS_MAX = 24;
