/** The whole picture: title, the boxes of the machine, the matrix beside or below, the legend. */
import { LINK_MEDIA, type LinkMedium, MEMORY_KINDS } from "../../model/facts.ts";
import type { Machine } from "../../model/machine.ts";
import { summaryParts } from "../summary.ts";
import { Survey } from "../survey.ts";
import { clean, KIND_WORDS, MEDIUM_WORDS } from "../words.ts";
import { lineHeight, measure } from "./font.ts";
import { type Layout, layOut } from "./layout.ts";
import { matrixPanels, movePanel, type Panel } from "./panel.ts";
import { textAt } from "./place-text.ts";
import { findPlaces } from "./places.ts";
import { DETAILS, type Detail } from "./plan.ts";
import { Planner } from "./planner.ts";
import { planRails } from "./rails.ts";
import type { PlacedText, Scene, Sign } from "./scene.ts";

const MARGIN = 24;
const SPACE = 18;
/** Width by height that pictures come near to. */
const ASPECT = 1.5;
/** A drawing of more boxes than this is made again with less detail. */
const BOXES_MAX = 260;
/** The same for one that is wider, or higher. */
const WIDTH_MAX = 2400;
const HEIGHT_MAX = 1800;
/** Widest line of the heading. */
const HEADING_MAX = 860;
/** Narrower pictures are made this wide, for their title. */
const WIDTH_MIN = 560;

/** Lays out the picture of a machine. */
export function composeScene(machine: Machine): Scene {
  const survey = new Survey(machine);
  const texts: PlacedText[] = [];
  const heading = headingLines(machine);
  const wide = Math.min(HEADING_MAX, Math.max(...heading.map((line) => measure(line.text, line.style))));
  let y = MARGIN;
  for (const line of heading) {
    texts.push(textAt(line.text, line.style, line.faint, MARGIN, y, HEADING_MAX));
    y += lineHeight(line.style);
  }
  y += SPACE / 2;
  const body = drawMachine(survey, MARGIN, y);
  const panels = placePanels(matrixPanels(survey), body, y);
  const bodyBottom = y + body.height;
  const panelRight = Math.max(MARGIN, ...panels.map(({ box }) => box.rect.x + box.rect.w));
  const width = Math.max(WIDTH_MIN, MARGIN + body.width, panelRight, MARGIN + wide) + MARGIN;
  const panelBottom = Math.max(0, ...panels.map(({ box }) => box.rect.y + box.rect.h));
  const legendTop = Math.max(bodyBottom, panelBottom) + SPACE;
  const legend = drawLegend(survey, body, MARGIN, legendTop, width - 2 * MARGIN);
  return {
    width: Math.ceil(width),
    height: Math.ceil(legend.bottom + MARGIN),
    title: clean(machine.name, 80),
    description: `${clean(machine.name, 80)}: ${summaryParts(machine).join(", ")}`,
    boxes: [...body.boxes, ...panels.map((panel) => panel.box)],
    wires: body.wires,
    marks: body.marks,
    labels: body.labels,
    texts: [...texts, ...legend.texts],
    cells: panels.flatMap((panel) => panel.cells),
    signs: [...body.signs, ...legend.signs],
  };
}

function headingLines(
  machine: Machine,
): (Pick<PlacedText, "text" | "faint"> & { readonly style: "name" | "text" })[] {
  const { info } = machine;
  const system = [info.OSName, info.OSRelease, info.Architecture]
    .filter((part) => part !== undefined)
    .map((part) => clean(part ?? "", 40));
  const model =
    info.CPUModel ?? machine.groups.find((group) => group.info.CPUModel !== undefined)?.info.CPUModel;
  const second = [model === undefined ? "" : clean(model, 60), system.join(" ")].filter(
    (part) => part !== "",
  );
  const summary = brokenLines(summaryParts(machine));
  return [
    { text: clean(machine.name, 80), style: "name", faint: false },
    ...(summary.length === 0 ? ["Nothing was found."] : summary).map(
      (text) => ({ text, style: "text", faint: false }) as const,
    ),
    ...(second.length === 0 ? [] : [{ text: second.join(" · "), style: "text", faint: true } as const]),
  ];
}

/** Parts joined by dots, in lines of at most HEADING_MAX. */
function brokenLines(parts: readonly string[]): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    const joined = `${last} · ${part}`;
    if (last !== undefined && measure(joined, "text") <= HEADING_MAX) lines[lines.length - 1] = joined;
    else lines.push(part);
  }
  return lines;
}

/** The boxes of a machine, with as much detail as there is room for. */
function drawMachine(survey: Survey, x: number, y: number): Layout {
  const root = findPlaces(survey);
  const draw = (detail: Detail): Layout => {
    const plan = new Planner(survey, detail).plan(root);
    planRails(survey, plan);
    return layOut(plan, x, y);
  };
  const tooMuch = ({ boxes, width, height }: Layout): boolean =>
    boxes.length > BOXES_MAX || width > WIDTH_MAX || height > HEIGHT_MAX;
  const [most, ...less] = DETAILS;
  let layout = most === undefined ? undefined : draw(most);
  for (const detail of less) {
    if (layout !== undefined && !tooMuch(layout)) break;
    layout = draw(detail);
  }
  if (layout === undefined)
    throw new RangeError("Draw a machine: there must be at least one level of detail");
  return layout;
}

/** Panels to the right of a high drawing, or below a wide one: whichever comes nearer to a good shape. */
function placePanels(panels: readonly Panel[], body: Layout, y: number): Panel[] {
  const widest = Math.max(0, ...panels.map((panel) => panel.width));
  const stacked = panels.reduce((sum, panel) => sum + panel.height + SPACE, -SPACE);
  const abreast = panels.reduce((sum, panel) => sum + panel.width + SPACE, -SPACE);
  const highest = Math.max(0, ...panels.map((panel) => panel.height));
  const off = (width: number, height: number): number => Math.abs(Math.log(width / height / ASPECT));
  const beside = off(body.width + SPACE + widest, Math.max(body.height, stacked));
  const below = off(Math.max(body.width, abreast), body.height + SPACE + highest);
  let at =
    beside <= below ? { x: MARGIN + body.width + SPACE, y } : { x: MARGIN, y: y + body.height + SPACE };
  return panels.map((panel) => {
    const moved = movePanel(panel, at.x, at.y, beside <= below ? widest : panel.width);
    at =
      beside <= below
        ? { x: at.x, y: at.y + panel.height + SPACE }
        : { x: at.x + panel.width + SPACE, y: at.y };
    return moved;
  });
}

interface Legend {
  readonly texts: PlacedText[];
  readonly signs: Sign[];
  readonly bottom: number;
}

/** What the colours mean: kinds of memory, media of links. */
function drawLegend(survey: Survey, body: Layout, x: number, y: number, width: number): Legend {
  const kinds = MEMORY_KINDS.filter((kind) =>
    survey.machine.targets.some((target) => target.kind.kind === kind),
  );
  const drawn = new Set<LinkMedium>(
    [...body.wires, ...body.signs].map((one) => one.medium).filter((medium) => medium !== null),
  );
  const items: { readonly text: string; readonly sign: Omit<Sign, "rect"> }[] = [
    ...kinds.map((kind) => ({ text: KIND_WORDS[kind], sign: { kind, medium: null } })),
    ...LINK_MEDIA.filter((medium) => drawn.has(medium)).map((medium) => ({
      text: `${MEDIUM_WORDS[medium]} link`,
      sign: { kind: null, medium },
    })),
  ];
  const legend: Legend & { bottom: number } = { texts: [], signs: [], bottom: y };
  let at = x;
  for (const { text, sign } of items) {
    const needed = 20 + measure(text, "small") + 18;
    if (at + needed > x + width && at > x) {
      at = x;
      legend.bottom += 20;
    }
    const top = legend.bottom;
    legend.signs.push({
      ...sign,
      rect: sign.kind === null ? { x: at, y: top + 6, w: 14, h: 3 } : { x: at, y: top + 2, w: 14, h: 11 },
    });
    legend.texts.push(textAt(text, "small", true, at + 20, top + 1, needed));
    at += needed;
  }
  legend.bottom += items.length === 0 ? 0 : 18;
  return legend;
}
