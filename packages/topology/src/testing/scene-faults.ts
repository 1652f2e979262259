/** What is wrong with a picture: texts out of their boxes, boxes over each other, lines through texts. */
import { STYLES } from "../render/picture/font.ts";
import { STACK } from "../render/picture/measure.ts";
import type { Box, PlacedText, Rect, Scene, Wire } from "../render/picture/scene.ts";

const EPSILON = 0.01;

/** One sentence for each fault, none for a good picture. */
export function sceneFaults(scene: Scene): string[] {
  return [
    ...textFaults(scene),
    ...boxFaults(scene.boxes),
    ...labelFaults(scene),
    ...wireFaults(scene),
    ...edgeFaults(scene),
  ];
}

/** The area of a text: ascenders above its baseline, descenders below. */
export function textRect({ x, y, width, style }: PlacedText): Rect {
  const { size } = STYLES[style];
  return { x, y: y - size * 0.76, w: width, h: size * 0.98 };
}

/** The area of a box with what sticks out of a stack. */
function outerRect({ rect, stacked }: Box): Rect {
  const out = stacked ? 2 * STACK : 0;
  return { ...rect, w: rect.w + out, h: rect.h + out };
}

function inside(inner: Rect, outer: Rect): boolean {
  return (
    inner.x >= outer.x - EPSILON &&
    inner.y >= outer.y - EPSILON &&
    inner.x + inner.w <= outer.x + outer.w + EPSILON &&
    inner.y + inner.h <= outer.y + outer.h + EPSILON
  );
}

function overlap(a: Rect, b: Rect): boolean {
  return (
    a.x < b.x + b.w - EPSILON &&
    b.x < a.x + a.w - EPSILON &&
    a.y < b.y + b.h - EPSILON &&
    b.y < a.y + a.h - EPSILON
  );
}

const show = ({ x, y, w, h }: Rect): string => `(${[x, y, w, h].map((n) => n.toFixed(1)).join(" ")})`;

function textFaults(scene: Scene): string[] {
  const faults: string[] = [];
  for (const box of scene.boxes) {
    box.texts.forEach((text, i) => {
      const rect = textRect(text);
      if (!inside(rect, box.rect)) {
        faults.push(
          `text ${JSON.stringify(text.text)} ${show(rect)} is not in its box ${box.key} ${show(box.rect)}`,
        );
      }
      for (const other of box.texts.slice(i + 1)) {
        if (overlap(rect, textRect(other)))
          faults.push(`texts "${text.text}" and "${other.text}" of ${box.key} overlap`);
      }
      for (const child of scene.boxes) {
        if (child.parent === box.key && overlap(rect, outerRect(child))) {
          faults.push(`text "${text.text}" of ${box.key} is under ${child.key}`);
        }
      }
    });
  }
  for (const cell of scene.cells) {
    if (cell.text !== null && !inside(textRect(cell.text), cell.rect))
      faults.push(`text "${cell.text.text}" is not in its cell`);
  }
  for (const text of scene.texts) {
    for (const box of scene.boxes) {
      if (box.look !== "machine" && overlap(textRect(text), outerRect(box)))
        faults.push(`text "${text.text}" is over ${box.key}`);
    }
  }
  return faults;
}

function boxFaults(boxes: readonly Box[]): string[] {
  const faults: string[] = [];
  const byKey = new Map<string, Box>();
  const siblings = new Map<string | null, Box[]>();
  for (const box of boxes) {
    if (byKey.has(box.key)) faults.push(`two boxes have the key ${box.key}`);
    byKey.set(box.key, box);
    siblings.set(box.parent, [...(siblings.get(box.parent) ?? []), box]);
  }
  for (const box of boxes) {
    const parent = box.parent === null ? undefined : byKey.get(box.parent);
    if (box.parent !== null && parent === undefined)
      faults.push(`box ${box.key} is in ${box.parent}, which is not there`);
    if (parent !== undefined && !inside(outerRect(box), parent.rect)) {
      faults.push(`box ${box.key} ${show(outerRect(box))} sticks out of ${parent.key} ${show(parent.rect)}`);
    }
  }
  for (const group of siblings.values()) {
    group.forEach((box, i) => {
      for (const other of group.slice(i + 1)) {
        if (overlap(outerRect(box), outerRect(other)))
          faults.push(`boxes ${box.key} and ${other.key} overlap`);
      }
    });
  }
  return faults;
}

function labelFaults({ labels, boxes }: Scene): string[] {
  const faults: string[] = [];
  labels.forEach((label, i) => {
    const { text } = label.text;
    if (!inside(textRect(label.text), label.rect)) faults.push(`text "${text}" is not in its label`);
    for (const other of labels.slice(i + 1)) {
      if (overlap(label.rect, other.rect)) faults.push(`labels "${text}" and "${other.text.text}" overlap`);
    }
    for (const box of boxes) {
      if (overlap(label.rect, outerRect(box)) && !inside(label.rect, box.rect))
        faults.push(`label "${text}" crosses ${box.key}`);
      if (box.texts.some((one) => overlap(label.rect, textRect(one))))
        faults.push(`label "${text}" is over a text of ${box.key}`);
    }
  });
  return faults;
}

/** The straight pieces of a line, as thin areas. */
function pieces(wire: Wire): Rect[] {
  return wire.points.slice(1).flatMap(([x, y], i) => {
    const [fromX, fromY] = wire.points[i] ?? [x, y];
    return [
      {
        x: Math.min(x, fromX),
        y: Math.min(y, fromY),
        w: Math.abs(x - fromX) + 0.1,
        h: Math.abs(y - fromY) + 0.1,
      },
    ];
  });
}

function wireFaults({ wires, labels, boxes }: Scene): string[] {
  const faults: string[] = [];
  for (const wire of wires) {
    for (const piece of pieces(wire)) {
      if (piece.w > 0.2 && piece.h > 0.2)
        faults.push(`a line of ${wire.medium} is neither level nor upright`);
      for (const box of boxes) {
        const text = box.texts.find((one) => overlap(piece, textRect(one)));
        if (text !== undefined)
          faults.push(`a line of ${wire.medium} goes through "${text.text}" of ${box.key}`);
      }
      for (const label of labels) {
        // Its own line ends at, and goes on behind, a label.
        const own = wire.tooltip === label.tooltip && piece.h < 0.2;
        if (!own && overlap(piece, label.rect))
          faults.push(`a line of ${wire.medium} goes through the label "${label.text.text}"`);
      }
    }
  }
  return faults;
}

function edgeFaults(scene: Scene): string[] {
  const page: Rect = { x: 0, y: 0, w: scene.width, h: scene.height };
  const things: readonly (readonly [string, Rect])[] = [
    ...scene.boxes.map((box) => [box.key, outerRect(box)] as const),
    ...scene.labels.map((label) => [label.text.text, label.rect] as const),
    ...scene.texts.map((text) => [text.text, textRect(text)] as const),
    ...scene.cells.map((cell) => [cell.tooltip, cell.rect] as const),
    ...scene.wires.flatMap((wire) => pieces(wire).map((piece) => [wire.medium, piece] as const)),
  ];
  return things
    .filter(([, rect]) => !inside(rect, page))
    .map(([name, rect]) => `${name} ${show(rect)} is off the page`);
}
