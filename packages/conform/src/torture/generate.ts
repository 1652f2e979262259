import { Random } from "@hms/host-model";
import { MAP, OP, type Op, type OpCode, type Program } from "./program.ts";
import { UNMAPPED, WORDS } from "./shadow.ts";
import { FILE_PAGES, NAMED_FILES, PINS, SPACES, type World } from "./world.ts";

/** How often each operation comes, in proportion. */
const WEIGHTS: readonly (readonly [OpCode, number])[] = [
  [OP.cpuWrite, 170],
  [OP.cpuRead, 170],
  [OP.deviceRead, 100],
  [OP.deviceWrite, 100],
  [OP.commandRead, 20],
  [OP.commandWrite, 20],
  [OP.migrateToDevice, 50],
  [OP.migrateToSystem, 15],
  [OP.snapshot, 12],
  [OP.exclusive, 16],
  [OP.move, 45],
  [OP.readAll, 6],
  [OP.map, 40],
  [OP.unmap, 16],
  [OP.protect, 26],
  [OP.remap, 12],
  [OP.discard, 16],
  [OP.pageOut, 14],
  [OP.reclaim, 12],
  [OP.fork, 6],
  [OP.exit, 5],
  [OP.spawn, 3],
  [OP.pin, 10],
  [OP.unpin, 10],
  [OP.dma, 8],
  [OP.fileWrite, 12],
  [OP.fileRead, 12],
  [OP.truncate, 3],
  [OP.punch, 3],
  [OP.reflink, 2],
  [OP.release, 2],
  [OP.evict, 8],
  [OP.close, 2],
  [OP.collapse, 2],
  [OP.adviseHuge, 2],
];

const FAULTS: readonly (readonly [OpCode, number])[] = [
  [OP.failAllocation, 6],
  [OP.failCopy, 6],
  [OP.refuse, 8],
  [OP.failHostAllocation, 6],
  [OP.hold, 6],
  [OP.disappear, 2],
];

/** Operations by how often they come: one of these numbers is picked. */
function table(weights: readonly (readonly [OpCode, number])[]): Uint8Array {
  return Uint8Array.from(weights.flatMap(([code, weight]) => new Array<number>(weight).fill(code)));
}

const PLAIN = table(WEIGHTS);
const FAULTY = table(FAULTS);
/** Pages of small ranges. */
const RANGE_PAGES = 8;
/** At which points operations within others come: most have few, some many. */
const FEW_POINTS = 3;
const MANY_POINTS = 40;
/** Operations within one, at most. */
const WITHIN_MAX = 3;

/** Makes the next operations, from a seed and what the world looks like. */
export class Generator {
  readonly #world: World;
  readonly #random: Random;
  #value = 0;
  /** The operation within which the next one happens. */
  #outer: Op | null = null;

  constructor(world: World, seed: number) {
    this.#world = world;
    this.#random = new Random(seed + 0x5eed);
  }

  /** Adds one operation to the program, and those that happen within it. */
  next(program: Program): void {
    const { interleaveOneIn, faultOneIn } = this.#world.profile;
    const random = this.#random;
    const code = faultOneIn > 0 && random.oneIn(faultOneIn) ? this.#pick(FAULTY) : this.#pick(PLAIN);
    this.#outer = null;
    const op = this.#op(code);
    const parent = program.add(op);
    if (interleaveOneIn === 0 || !random.oneIn(interleaveOneIn)) return;
    this.#outer = op;
    let at = 0;
    let outer = parent;
    for (let left = 1 + random.below(WITHIN_MAX); left > 0; left--) {
      at += random.below(random.oneIn(6) ? MANY_POINTS : FEW_POINTS) + (at === 0 ? 1 : 0);
      const faulty = faultOneIn > 0 && random.oneIn(faultOneIn);
      const within = program.add(this.#op(this.#pick(faulty ? FAULTY : PLAIN)), outer, at);
      if (random.oneIn(4)) {
        outer = within;
        at = 0;
      }
    }
  }

  #pick(codes: Uint8Array): number {
    return codes[this.#random.below(codes.length)] ?? 0;
  }

  /** A value that no other operation writes, with room for the words of a range. */
  #fresh(): number {
    this.#value = (this.#value + 1) & 0xf_ffff;
    return (this.#value << 11) | 1;
  }

  /** The process that the outer operation is about; −1: none, or not this time. */
  #outerSpace(): number {
    if (this.#outer === null || this.#random.oneIn(3)) return -1;
    const { code, actor, x } = this.#outer;
    if (code === OP.deviceRead || code === OP.deviceWrite) return x >> 4;
    if (COMMANDS.has(code)) return x;
    return IN_PROCESS.has(code) ? actor : -1;
  }

  /** What happens within an operation is most often about the same process, as its other threads do. */
  #space(): number {
    const outer = this.#outerSpace();
    if (outer >= 0 && this.#world.process(outer) !== null) return outer;
    const first = this.#random.below(SPACES);
    for (let k = 0; k < SPACES; k++)
      if (this.#world.process((first + k) % SPACES) !== null) return (first + k) % SPACES;
    return 0;
  }

  /** A page of a process's window, most often one where something is mapped. */
  #page(space: number): number {
    const { windowPages } = this.#world.profile;
    const outer = this.#outer;
    if (outer !== null && this.#outerSpace() === space) {
      return Math.min(windowPages - 1, outer.first + this.#random.below(Math.max(1, outer.count)));
    }
    const shadow = this.#world.shadow(space);
    let page = this.#random.below(windowPages);
    for (let tries = 0; tries < 6 && shadow.access[page] === UNMAPPED; tries++)
      page = this.#random.below(windowPages);
    return page;
  }

  #count(first: number): number {
    const { windowPages, huge } = this.#world.profile;
    const most = huge && this.#random.oneIn(6) ? 600 : RANGE_PAGES;
    return Math.min(windowPages - first, 1 + this.#random.below(most));
  }

  /** Pages from the first on that are mapped alike, most often; else any number. */
  #countAlike(space: number, first: number): number {
    const count = this.#count(first);
    if (this.#random.oneIn(4)) return count;
    const { access, flavour } = this.#world.shadow(space);
    let alike = 1;
    while (
      alike < count &&
      access[first + alike] === access[first] &&
      flavour[first + alike] === flavour[first]
    )
      alike++;
    return alike;
  }

  #op(code: number): Op {
    const random = this.#random;
    const none = { code, actor: 0, first: 0, count: 0, x: 0, y: 0 };
    const space = this.#space();
    const devices = this.#world.devices.length;
    const device = devices === 0 ? 0 : random.below(devices);
    if (devices === 0 && DEVICE_OPS.has(code))
      return { ...none, code: OP.cpuRead, actor: space, first: this.#page(space) };
    switch (code) {
      case OP.cpuWrite:
      case OP.cpuRead:
        return { ...none, actor: space, first: this.#page(space), x: random.below(WORDS), y: this.#fresh() };
      case OP.deviceRead:
      case OP.deviceWrite: {
        const x = (space << 4) | random.below(WORDS);
        return { ...none, actor: device, first: this.#page(space), x, y: this.#fresh() };
      }
      case OP.map:
        return this.#map(space);
      case OP.pin:
        return { ...none, actor: space, first: this.#page(space), x: random.below(2), y: random.below(2) };
      case OP.unpin:
        return { ...none, x: random.below(PINS) };
      case OP.dma:
        return { ...none, x: this.#pinForWriting(), y: this.#fresh() };
      case OP.fileWrite:
      case OP.fileRead:
      case OP.truncate:
      case OP.punch:
      case OP.reflink:
        return this.#file(code);
      case OP.reclaim:
        return { ...none, x: 1 + random.below(8), y: random.below(2) };
      case OP.failHostAllocation:
        return { ...none, x: 1 + random.below(4) };
      case OP.failAllocation:
      case OP.disappear:
        return { ...none, actor: device };
      case OP.failCopy:
        return { ...none, actor: device, x: random.below(6) };
      case OP.refuse:
        return { ...none, actor: device, x: random.oneIn(3) ? random.below(16) : 0 };
      case OP.hold:
        return { ...none, actor: device, x: random.below(64), y: random.oneIn(3) ? 1 : 0 };
      case OP.evict:
        return { ...none, actor: device, first: random.below(64), count: 1 + random.below(8) };
      case OP.fork:
      case OP.exit:
        return { ...none, actor: space };
      case OP.release:
      case OP.close:
        return { ...none, actor: device, x: space };
      default:
        return this.#range(code, space, device);
    }
  }

  #pinForWriting(): number {
    const first = this.#random.below(PINS);
    for (let k = 0; k < PINS; k++)
      if (this.#world.pins[(first + k) % PINS]?.write === true) return (first + k) % PINS;
    return first;
  }

  #map(space: number): Op {
    const random = this.#random;
    const { windowPages, huge } = this.#world.profile;
    let first = random.below(windowPages);
    let count = this.#count(first);
    let what: number = random.below(4);
    if (random.oneIn(2)) what = MAP.anonymous;
    if (huge && random.oneIn(2)) {
      what = MAP.huge;
      first -= first % 512;
      count = Math.min(windowPages - first, 512 * (1 + random.below(2)));
    }
    const access = random.oneIn(5) ? 1 + random.below(3) : 3;
    const y = random.below(NAMED_FILES) | (random.below(8) << 8);
    return { code: OP.map, actor: space, first, count, x: what | (access << 4), y };
  }

  #file(code: number): Op {
    const random = this.#random;
    const actor = random.below(NAMED_FILES);
    const first = random.below(16);
    const x = code === OP.reflink ? 2 + random.below(2) : random.below(FILE_PAGES);
    return {
      code,
      actor: code === OP.reflink ? 2 + random.below(2) : actor,
      first,
      count: 1 + random.below(4),
      x,
      y: this.#fresh(),
    };
  }

  /** Operations on a range: of a process, or of a device for a process. */
  #range(code: number, space: number, device: number): Op {
    const random = this.#random;
    const first = this.#page(space);
    const count = this.#countAlike(space, first);
    if (COMMANDS.has(code)) return { code, actor: device, first, count, x: space, y: this.#fresh() };
    let x = 0;
    if (code === OP.protect) x = random.oneIn(3) ? 1 + random.below(2) : 3;
    if (code === OP.remap) x = random.below(this.#world.profile.windowPages);
    if (code === OP.move) x = random.below(this.#world.devices.length + 1);
    if (code === OP.adviseHuge) x = random.below(2);
    return { code, actor: space, first, count, x, y: random.oneIn(3) ? 1 : 0 };
  }
}

const COMMANDS: ReadonlySet<number> = new Set([
  OP.commandRead,
  OP.commandWrite,
  OP.migrateToDevice,
  OP.migrateToSystem,
  OP.snapshot,
  OP.exclusive,
]);
/** Operations whose actor is a process, and which are about pages of it. */
const IN_PROCESS: ReadonlySet<number> = new Set([
  OP.cpuWrite,
  OP.cpuRead,
  OP.readAll,
  OP.map,
  OP.unmap,
  OP.protect,
  OP.remap,
  OP.discard,
  OP.pageOut,
  OP.pin,
  OP.move,
  OP.collapse,
  OP.adviseHuge,
]);
const DEVICE_OPS: ReadonlySet<number> = new Set([
  ...COMMANDS,
  OP.deviceRead,
  OP.deviceWrite,
  OP.release,
  OP.evict,
  OP.close,
  OP.failAllocation,
  OP.failCopy,
  OP.refuse,
  OP.disappear,
  OP.hold,
]);
