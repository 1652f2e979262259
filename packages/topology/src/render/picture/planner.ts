/** Makes the boxes of a picture out of the places of a machine; what looks alike shares a box where there is much of it. */
import { IndexSet } from "../../model/index-set.ts";
import { formatSize } from "../../model/units.ts";
import { alike, cpuRange, nameRange, sort } from "../names.ts";
import { type Survey, shortName } from "../survey.ts";
import { clean, count, KIND_WORDS, times } from "../words.ts";
import { cacheName, coresBox, deviceBox, leaf, memoryBox, speedText, uids } from "./boxes.ts";
import type { Cores, Place, PlacedDevice, PlacedMemory } from "./places.ts";
import { type Detail, type Line, type PlanNode, type Row, SIBLINGS_MAX } from "./plan.ts";

type Some<T> = readonly [T, ...T[]];

/** Devices with memory of one place that stay side by side. */
const ABREAST = 4;

/** A row of devices. */
type DeviceRow = Pick<Row, "nodes" | "wrap">;

/** Makes the box of a machine, with all that is in it. */
export class Planner {
  readonly #survey: Survey;
  readonly #detail: Detail;
  readonly #shapes = new Map<Place, string>();

  constructor(survey: Survey, detail: Detail) {
    this.#survey = survey;
    this.#detail = detail;
  }

  /** The box of the whole machine. */
  plan(root: Place): PlanNode {
    const rows = this.#rows([root], "root");
    return leaf({
      key: "root",
      look: "machine",
      lines: [],
      tooltip: "",
      members: uids(root.cores === null ? root.initiators : []),
      rows,
    });
  }

  /** The box of a place, or of several that look alike. */
  #frame(places: Some<Place>, depth: number): PlanNode {
    const [first] = places;
    const key = `p${depth}.${first.type}.${first.index ?? ""}.${first.cpus.first}.${first.initiators[0]?.uid ?? ""}`;
    return leaf({
      key,
      look: depth === 1 ? "frame" : "inner",
      copies: places.length,
      lines: this.#frameLines(places),
      tooltip: frameTooltip(places),
      // CPUs that no box of cores shows are the frame itself.
      members: uids(first.cores === null ? places.flatMap((place) => place.initiators) : []),
      rows: this.#rows(places, key, depth),
    });
  }

  #frameLines(places: Some<Place>): Line[] {
    const [first] = places;
    const name = placeName(first);
    const numbers = places.map((place) => (place.index === null ? "" : `${placeName(place)} ${place.index}`));
    const own =
      first.initiators.length === 1 && first.type !== "package"
        ? places.map((place) => shortName(place.initiators[0] ?? (first.initiators[0] as never)))
        : [];
    const title =
      own.length > 0 && (first.type === "group" || first.type === "cpus")
        ? `${first.type === "cpus" ? "CPUs of" : "Near"} ${clean(nameRange(own), 30)}`
        : numbers.every((text) => text !== "") && first.type !== "cache"
          ? clean(nameRange(numbers), 30)
          : name;
    const lines: Line[] = [{ text: times(places.length, title), style: "title" }];
    if (first.model !== null) lines.push({ text: clean(first.model, 52), style: "small", faint: true });
    const shared = first.shared
      .filter((cache) => cache.size > 0)
      .map((cache) => `${cacheName(cache)} ${formatSize(cache.size)}`);
    if (shared.length > 0 && first.type !== "cache")
      lines.push({ text: `${shared.join(" · ")}, shared`, style: "small", faint: true });
    return lines;
  }

  /** What is inside a place (or several alike): memory on top, then CPUs, then devices. */
  #rows(places: Some<Place>, key: string, depth: number = 0): Row[] {
    const [first] = places;
    const rows: Row[] = [];
    const add = (nodes: readonly PlanNode[], wrap: boolean, grows: boolean, bus: Row["bus"] = null): void => {
      if (nodes.length > 0) rows.push({ nodes, wrap, grows, bus, busText: [] });
    };
    add(this.#memories(places.map((place) => place.memories)), true, false);
    if (first.cores !== null) {
      const members = uids(places.flatMap((place) => place.initiators));
      const cores = places
        .map((place) => place.cores)
        .filter((one) => one !== null) as unknown as Some<Cores>;
      add([coresBox(cores, `${key}/cores`, members, this.#detail.cores)], false, false);
    }
    add(
      this.#places(
        places.map((place) => place.places),
        depth + 1,
      ),
      true,
      true,
    );
    for (const { nodes, wrap } of this.#devices(places.map((place) => place.devices))) {
      add(nodes, wrap, false, this.#bus(first.devices));
    }
    return rows;
  }

  /** Boxes of things in alike places: `lists` holds those of each place, in the same order. */
  #boxes<T>(
    lists: readonly (readonly T[])[],
    shapeOf: (thing: T) => string,
    limit: number,
    box: (things: Some<T>) => PlanNode,
    tile?: (thing: T) => PlanNode | undefined,
  ): PlanNode[] {
    const [first = []] = lists;
    if (lists.length > 1) {
      // Several alike places as one box: their things side by side, those of the same place in the list together.
      const columns = first.map((_, k) => lists.map((list) => list[k]).filter((one) => one !== undefined));
      const groups = alike(columns, (column) => shapeOf(column[0] as T));
      return capped(groups.map(({ all }) => all.flat() as unknown as Some<T>).map(box));
    }
    const groups = alike(first, shapeOf);
    const nodes = groups.flatMap(({ all }) => {
      if (all.length <= limit) return all.map((one) => box([one]));
      const tiles = tile !== undefined && all.length <= this.#detail.tiles ? all.map(tile) : [];
      return tiles.length > 0 && tiles.every((node) => node !== undefined) ? tiles : [box(all)];
    });
    return capped(nodes);
  }

  #memories(lists: readonly (readonly PlacedMemory[])[]): PlanNode[] {
    return this.#boxes(
      lists,
      (memory) => this.#memoryShape(memory),
      this.#detail.devices,
      (memories) => memoryBox(this.#survey, memories),
    );
  }

  #places(lists: readonly (readonly Place[])[], depth: number): PlanNode[] {
    return this.#boxes(
      lists,
      (place) => this.#shape(place),
      this.#detail.places,
      (places) => this.#frame(places, depth),
      (place) => this.#tile(place, depth),
    );
  }

  /** Devices that share a switch in a box, then the rest; those without memory first, so that links find the others below. */
  #devices(lists: readonly (readonly PlacedDevice[])[]): DeviceRow[] {
    const [first = []] = lists;
    if (lists.length > 1) return [{ nodes: this.#deviceBoxes(lists), wrap: true }];
    const switches = alike(first, (device) => device.bridge ?? "").filter((group) => group.key !== "");
    const loose = first.filter((device) => device.bridge === null);
    // One switch with all the devices says nothing.
    if (switches.length === 0 || (switches.length === 1 && loose.length === 0)) return this.#split(first);
    const boxes = this.#boxes(
      [switches.map(({ all }) => all)],
      (devices) => devices.map((device) => this.#deviceShape(device)).join("|"),
      this.#detail.devices,
      (groups) => this.#switchBox(groups),
    );
    return [...this.#split(loose), { nodes: boxes, wrap: boxes.length > ABREAST }];
  }

  #split(devices: readonly PlacedDevice[]): DeviceRow[] {
    const withMemory = this.#deviceBoxes([devices.filter((device) => device.memories.length > 0)]);
    const without = this.#deviceBoxes([devices.filter((device) => device.memories.length === 0)]);
    const rows = [
      { nodes: without, wrap: true },
      // Links between them come from below: side by side, all of them can be reached.
      { nodes: withMemory, wrap: withMemory.length > ABREAST },
    ];
    return rows.filter(({ nodes }) => nodes.length > 0);
  }

  /** What devices hang on, when it is the same for all. */
  #bus(devices: readonly PlacedDevice[]): Row["bus"] {
    const media = new Set(devices.map(({ initiator }) => this.#survey.slot(initiator)?.medium));
    const [only] = media;
    return media.size === 1 ? (only ?? null) : null;
  }

  #deviceBoxes(lists: readonly (readonly PlacedDevice[])[]): PlanNode[] {
    const slots = lists.map((list) => alike(list, (device) => cardOf(device)).map(({ all }) => all));
    return this.#boxes(
      slots,
      (card) => card.map((device) => this.#deviceShape(device)).join("|"),
      this.#detail.devices,
      (cards) => this.#cardBox(cards),
    );
  }

  /** A card: a device, several alike ones (the partitions of a GPU, the ports of a NIC), or a box of different ones. */
  #cardBox(cards: Some<Some<PlacedDevice>>): PlanNode {
    const [first] = cards;
    const groups = alike(first, (device) => this.#deviceShape(device));
    const boxes = groups.map(({ key }) => {
      const devices = cards.flatMap((card) => card.filter((device) => this.#deviceShape(device) === key));
      return deviceBox(this.#survey, devices as unknown as Some<PlacedDevice>);
    });
    const [only] = boxes;
    if (boxes.length === 1 && only !== undefined) return only;
    const name = clean(nameRange(cards.map(([device]) => cardOf(device))), 32);
    return leaf({
      key: `card.${boxes[0]?.key ?? ""}`,
      look: "inner",
      copies: cards.length,
      lines: [{ text: times(cards.length, `card ${name}`), style: "small", faint: true }],
      tooltip: `One card: ${name}`,
      rows: [{ nodes: boxes, wrap: true, grows: true, bus: null, busText: [] }],
    });
  }

  #switchBox(groups: Some<Some<PlacedDevice>>): PlanNode {
    const [first] = groups;
    const bridges = groups.map(([device]) => device.bridge ?? "");
    const name = clean(nameRange(bridges), 32);
    return leaf({
      key: `switch.${first[0].initiator.uid}`,
      look: "inner",
      copies: groups.length,
      lines: [{ text: `${times(groups.length, "PCIe switch")} ${name}`, style: "small", faint: true }],
      tooltip: `Devices below one PCI bridge: ${name}`,
      rows: this.#deviceRows(groups),
    });
  }

  #deviceRows(groups: Some<Some<PlacedDevice>>): Row[] {
    const rows =
      groups.length > 1 ? [{ nodes: this.#deviceBoxes(groups), wrap: true }] : this.#split(groups[0]);
    return rows.map((row) => ({ ...row, grows: false, bus: null, busText: [] }));
  }

  /** A small box for a place that has one memory and CPUs, and nothing else. */
  #tile(place: Place, depth: number): PlanNode | undefined {
    const cpusOnly = (inside: Place): boolean =>
      inside.memories.length === 0 && inside.devices.length === 0 && inside.places.every(cpusOnly);
    const [memory, second] = place.memories;
    const simple = place.devices.length === 0 && place.places.every(cpusOnly);
    if (memory === undefined || second !== undefined || !simple) return undefined;
    const { target } = memory;
    const speed = speedText(this.#survey, target);
    const size = target.size === 0 ? "empty" : formatSize(target.size, { unknown: "size unknown" });
    return leaf({
      key: `tile${depth}.${target.uid}`,
      look: "memory",
      kind: target.kind.kind,
      lines: [
        { text: clean(target.id, 20), style: "title" },
        { text: size, style: "text" },
        { text: cpuRange(place.cpus, 14), style: "small", faint: true },
        ...(speed === "" ? [] : [{ text: speed, style: "small", faint: true } as const]),
      ],
      tooltip: [
        `${target.id}: ${KIND_WORDS[target.kind.kind]}, ${size}`,
        `Kind: ${clean(target.kind.reason, 200)}`,
        cpuRange(place.cpus, 60),
      ].join("\n"),
      members: new Set([target.uid, ...place.initiators.map((initiator) => initiator.uid)]),
    });
  }

  /** What must be the same for two places to share a box. */
  #shape(place: Place): string {
    let shape = this.#shapes.get(place);
    if (shape === undefined) {
      shape = [
        place.type,
        place.model ?? "",
        place.shared.map((cache) => `${cache.level}:${cache.size}`).join(),
        place.cpus.size,
        place.cores === null ? "" : `${place.cores.cores.length}/${place.cores.small}`,
        place.initiators.length,
        place.memories.map((memory) => this.#memoryShape(memory)).join(),
        place.devices.map((device) => this.#deviceShape(device)).join(),
        place.places.map((inside) => this.#shape(inside)).join(),
      ].join("{");
      shape = `${shape}}`;
      this.#shapes.set(place, shape);
    }
    return shape;
  }

  #memoryShape({ target, sideCaches }: PlacedMemory): string {
    // Firmware takes a little from some nodes: within a third of the size they are told as a range.
    const size =
      target.size === null || target.size <= 0 ? target.size : Math.round(Math.log2(target.size) * 2);
    return `${target.kind.kind}:${size}:${sideCaches.map((cache) => cache.size).join("+")}:${speedText(this.#survey, target)}`;
  }

  #deviceShape({ initiator, memories }: PlacedDevice): string {
    const link = this.#survey.pciOf(initiator)?.link;
    const own = memories.map((target) => this.#memoryShape({ target, sideCaches: [] }));
    return `${initiator.class}:${sort(initiator.label)}:${link?.speedMax ?? ""}x${link?.widthMax ?? ""}:${own.join()}`;
  }
}

/** The physical card of a device: its PCI address without the function, or itself. */
function cardOf({ initiator }: PlacedDevice): string {
  const address = initiator.pciAddress;
  return address === null ? initiator.id : address.replace(/\.[0-9a-f]$/i, "");
}

/** At most SIBLINGS_MAX boxes that are no tiles; one that counts the rest. */
function capped(nodes: readonly PlanNode[]): PlanNode[] {
  const tiles = nodes.filter((node) => node.key.startsWith("tile")).length;
  const max = SIBLINGS_MAX + tiles;
  if (nodes.length <= max) return [...nodes];
  const rest = nodes.slice(max - 1);
  const number = rest.reduce((sum, node) => sum + node.copies, 0);
  const members = new Set(rest.flatMap(allMembers));
  return [
    ...nodes.slice(0, max - 1),
    leaf({
      key: `more.${rest[0]?.key ?? ""}`,
      look: "more",
      lines: [{ text: `and ${count(number, "more", "more")}`, style: "text", faint: true }],
      tooltip: rest
        .slice(0, 40)
        .map((node) => node.lines[0]?.text ?? "")
        .join("\n"),
      members,
    }),
  ];
}

function allMembers(node: PlanNode): number[] {
  return [...node.members, ...node.rows.flatMap((row) => row.nodes.flatMap(allMembers))];
}

const PLACE_NAMES: Readonly<Record<Place["type"], string>> = {
  machine: "Machine",
  drawer: "Drawer",
  book: "Book",
  package: "Package",
  die: "Die",
  cluster: "Cluster",
  group: "Group",
  cache: "Shared cache",
  core: "Core",
  cpus: "CPUs",
};

function placeName(place: Place): string {
  const [cache] = place.shared;
  if (place.type !== "cache" || cache === undefined) return PLACE_NAMES[place.type];
  return `${cacheName(cache)}${cache.size > 0 ? ` ${formatSize(cache.size)}` : ""}`;
}

function frameTooltip(places: Some<Place>): string {
  const [first] = places;
  const cpus = places.reduce((all, place) => all.or(place.cpus), IndexSet.EMPTY);
  const name = times(
    places.length,
    `${placeName(first)}${first.index === null || places.length > 1 ? "" : ` ${first.index}`}`,
  );
  return [name, first.model ?? "", cpus.isEmpty ? "" : cpuRange(cpus, 120)]
    .filter((part) => part !== "")
    .join("\n");
}
