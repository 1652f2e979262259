/** A picture as boxes, lines and texts with their places: what the layout makes, and any renderer can draw. */
import type { LinkMedium, MemoryKind } from "../../model/facts.ts";
import type { TextStyle } from "./font.ts";

/** A rectangle in user units. */
export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

/** What a box stands for; a renderer chooses the colours by it. */
export type Look =
  | "machine"
  | "frame"
  | "inner"
  | "cores"
  | "memory"
  | "side-cache"
  | "device"
  | "more"
  | "panel";

/** A line of text in its place. */
export interface PlacedText {
  /** Left end of its width, and baseline. */
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly style: TextStyle;
  /** Less important. */
  readonly faint: boolean;
  /** Width that the layout keeps for it: in a narrower font it is less wide. */
  readonly width: number;
  /** Where it stands in that width. */
  readonly align: "left" | "middle" | "right";
}

/** Cores in a box, one small square each. */
export interface CoreGrid {
  readonly x: number;
  readonly y: number;
  readonly columns: number;
  /** Square and gap. */
  readonly pitch: number;
  readonly count: number;
  /** Of which the first so many are of the slower kind. */
  readonly small: number;
}

/** A box with its texts. */
export interface Box {
  readonly key: string;
  /** Key of the box that it is in, null for the outermost. */
  readonly parent: string | null;
  readonly rect: Rect;
  readonly look: Look;
  /** Of a memory. */
  readonly kind: MemoryKind | null;
  /** Stands for more than one: drawn as a stack. */
  readonly stacked: boolean;
  /** Details, for a pointer that rests on it. */
  readonly tooltip: string;
  readonly texts: readonly PlacedText[];
  readonly cores: CoreGrid | null;
}

/** A line of a link, from corner to corner. */
export interface Wire {
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly medium: LinkMedium;
  /** Width of the line. */
  readonly weight: number;
  readonly tooltip: string;
}

/** Where a link meets a box. */
export interface Mark {
  readonly x: number;
  readonly y: number;
  readonly medium: LinkMedium;
}

/** The numbers of a link, on its line. */
export interface Label {
  readonly rect: Rect;
  readonly text: PlacedText;
  readonly medium: LinkMedium;
  readonly tooltip: string;
}

/** A cell of the matrix. */
export interface HeatCell {
  readonly rect: Rect;
  /** Step of the heat scale, null for unknown, −1 for out of reach. */
  readonly step: number | null;
  readonly text: PlacedText | null;
  readonly tooltip: string;
}

/** A sign of the legend. */
export interface Sign {
  readonly rect: Rect;
  readonly kind: MemoryKind | null;
  readonly medium: LinkMedium | null;
}

/** A whole picture. */
export interface Scene {
  readonly width: number;
  readonly height: number;
  readonly title: string;
  /** What it shows, in a sentence, for those who do not see it. */
  readonly description: string;
  readonly boxes: readonly Box[];
  readonly wires: readonly Wire[];
  readonly marks: readonly Mark[];
  readonly labels: readonly Label[];
  readonly texts: readonly PlacedText[];
  readonly cells: readonly HeatCell[];
  readonly signs: readonly Sign[];
}
