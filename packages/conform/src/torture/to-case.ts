import { KIND, LOST } from "@hms/hmm";
import type {
  Advice,
  Command,
  DeviceKind,
  DeviceStep,
  ErrorName,
  FaultName,
  Part,
  Step,
  StepPlace,
  TestCase,
} from "../format/case.ts";
import type { Words } from "../format/words.ts";
import { accessErrno } from "./execute-cpu.ts";
import type { Profile } from "./profile.ts";
import { MAP, OP, opName, type Program, REFUSE } from "./program.ts";
import { Run } from "./run.ts";
import { UNMAPPED, WORDS } from "./shadow.ts";
import { BASE, TortureFailure, World } from "./world.ts";

/** The region of the case that stands for the window of the process. */
const WINDOW = "w";
const PLACE: StepPlace = { label: "", line: 1 };
/** A device command that may or may not find what it needs. */
const MAYBE = { pages: null, faults: null, error: null } as const;
/** Operations on a file that a case has no words for. */
const FILE_OPS: ReadonlySet<number> = new Set([OP.fileWrite, OP.truncate, OP.punch, OP.reflink]);

/**
 * Says a program as a case, or why it cannot be said: a case has one process and its forked children in turn, files
 * that are mapped once, and nothing within anything else. Every write becomes one of whole pages. Whether the case
 * fails too is for the caller to try.
 */
export function toCase(
  program: Program,
  profile: Profile,
  name: string,
  prepare?: (world: World) => void,
): TestCase | string {
  return new CaseMaker(program, profile, prepare).make(name);
}

class CaseMaker {
  readonly #program: Program;
  readonly #run: Run;
  readonly #profile: Profile;
  readonly #needs = new Set<string>(["alternatives"]);
  /** The processes of the case: the first one, and its child if it has forked. */
  readonly #actors: Actor[] = [];
  #actor: Actor | null = null;
  readonly #files = new Set<number>();
  readonly #lost = new Set<number>();
  /** Page of the region where the window begins. */
  readonly #shift: number;
  #problem: string | null = null;

  constructor(program: Program, profile: Profile, prepare?: (world: World) => void) {
    const world = new World(profile);
    prepare?.(world);
    this.#program = program;
    this.#profile = profile;
    this.#run = new Run(world, program);
    this.#shift = profile.huge ? 0 : BASE % 512;
  }

  make(name: string): TestCase | string {
    let failed = false;
    for (let i = 0; i < this.#program.length && !failed && this.#problem === null; i++) {
      if (this.#program.parent(i) >= 0) return "operations happen within others";
      this.#say(i);
      try {
        this.#run.step(i, i + 1);
        this.#run.verifyAll();
      } catch (error) {
        if (!(error instanceof TortureFailure)) throw error;
        failed = true;
      }
      this.#sayRead(i);
    }
    if (this.#problem !== null) return this.#problem;
    this.#lookAtAll();
    const pages = Math.ceil((this.#shift + this.#profile.windowPages) / 512) * 512;
    const steps: Step[] = [
      { ...this.#map(WINDOW, pages), protection: "none", huge: true },
      { ...PLACE, step: "unmap", part: { region: WINDOW, first: 0, pages: null } },
      ...this.#allSteps(),
    ];
    const devices = new Map<string, DeviceKind>(this.#profile.devices.map(({ kind }, i) => [`d${i}`, kind]));
    return { name, file: name, needs: [...this.#needs], devices, steps };
  }

  #add(step: Step): void {
    (this.#actor ?? this.#actors[0])?.steps.push(step);
  }

  /** The steps of the parent up to the fork, then both sides of it. */
  #allSteps(): Step[] {
    const [parent, child] = this.#actors;
    if (parent === undefined) return [];
    if (child === undefined) return parent.steps;
    const before = parent.steps.slice(0, child.forkedAt);
    const after = parent.steps.slice(child.forkedAt);
    return [...before, { ...PLACE, step: "fork", child: child.steps, parent: after, ends: "exit" }];
  }

  #cannot(what: string): void {
    this.#problem ??= `a case has no words for ${what}`;
  }

  #map(as: string, pages: number | null): Extract<Step, { step: "map" }> {
    return {
      ...PLACE,
      step: "map",
      as,
      pages,
      protection: "rw",
      share: "private",
      backing: { kind: "anonymous" },
      huge: false,
      fileWords: null,
      at: null,
      reflink: null,
    };
  }

  /** A part of the window; where pages were moved, of the region that they are in now. */
  #part(first: number, count: number): Part {
    const pages = Math.max(1, Math.min(count, this.#profile.windowPages - first));
    const places = this.#actor?.places;
    const place = places?.[first] ?? { region: WINDOW, first: this.#shift + first };
    for (let k = 1; k < pages; k++) {
      const next = places?.[first + k] ?? { region: WINDOW, first: this.#shift + first + k };
      if (next.region !== place.region || next.first !== place.first + k)
        this.#cannot("parts of several regions");
    }
    return { region: place.region, first: place.first, pages };
  }

  /** Whether the operation is one of a process that the case is about; steps are that process's from then on. */
  #isOurs(process: number): boolean {
    if (this.#actors.length === 0) {
      this.#actors.push({
        process,
        steps: [],
        forkedAt: 0,
        places: new Array(this.#profile.windowPages).fill(null),
      });
    }
    this.#actor = this.#actors.find((actor) => actor.process === process) ?? null;
    if (this.#actor === null) this.#cannot("several processes in turn");
    return this.#actor !== null;
  }

  get #process(): number {
    return this.#actor?.process ?? 0;
  }

  /** The step for an operation that is about to be done. */
  #say(i: number): void {
    const code = this.#program.code(i);
    if (DEVICE_OPS.has(code)) this.#sayDevice(i, code);
    else if (FILE_OPS.has(code)) this.#cannot(opName(code));
    else this.#sayProcess(i, code);
  }

  #sayProcess(i: number, code: number): void {
    const program = this.#program;
    const first = program.first(i);
    const part = this.#part(first, program.count(i));
    if (PROCESS_OPS.has(code) && !this.#isOurs(program.actor(i))) return;
    switch (code) {
      case OP.cpuWrite: {
        const error = this.#signal(first, true);
        const words = constant(canonical(program.y(i)));
        this.#add({ ...PLACE, step: "fill", part: this.#part(first, 1), words, error });
        return;
      }
      case OP.map:
        this.#sayMap(i);
        return;
      case OP.unmap:
        this.#add({ ...PLACE, step: "unmap", part });
        return;
      case OP.protect: {
        const protection = (["none", "none", "r", "rw"] as const)[program.x(i)] ?? "rw";
        if (this.#hasHole(first, program.count(i))) this.#cannot("calls that fail half way");
        this.#add({ ...PLACE, step: "protect", part, protection });
        return;
      }
      case OP.discard:
        this.#advise(i, "dontneed");
        return;
      case OP.pageOut:
        this.#needs.add("swap");
        this.#advise(i, "pageout");
        return;
      case OP.adviseHuge:
        this.#advise(i, program.x(i) === 1 ? "hugepage" : "nohugepage");
        return;
      case OP.pin: {
        const kind = program.x(i) === 1 ? "long" : "short";
        const error = this.#signal(first, program.y(i) === 1) === null ? null : "EFAULT";
        if (error !== null) this.#needs.add("signals");
        const write = program.y(i) === 1;
        this.#add({ ...PLACE, step: "pin", part: this.#part(first, 1), kind, write, error });
        return;
      }
      case OP.move: {
        this.#needs.add("placement");
        const to = program.x(i) === 0 ? "system" : `d${program.x(i) - 1}`;
        const duplicate = program.y(i) === 1 && program.x(i) > 0;
        this.#add({ ...PLACE, step: "migrate", part, to, duplicate, expectPages: null });
        return;
      }
      case OP.reclaim:
        this.#needs.add("swap");
        this.#add({
          ...PLACE,
          step: "reclaim",
          pages: program.x(i),
          nonBlocking: program.y(i) === 1,
          expectPages: null,
        });
        return;
      case OP.failHostAllocation:
        this.#inject("no-memory", null, program.x(i));
        return;
      case OP.fork:
        this.#fork();
        return;
      case OP.remap:
        this.#remap(i);
        return;
      default:
        // What is left either only looks, or is not needed: trying the case shows.
        return;
    }
  }

  #fork(): void {
    const parent = this.#actor;
    const process = this.#run.world.processes.indexOf(null);
    if (parent === null || process < 0) return;
    if (this.#actors.length > 1) {
      this.#cannot("several forks");
      return;
    }
    this.#actors.push({ process, steps: [], forkedAt: parent.steps.length, places: [...parent.places] });
  }

  #remap(i: number): void {
    const program = this.#program;
    const first = program.first(i);
    const to = program.x(i);
    const count = Math.min(program.count(i), this.#profile.windowPages - Math.max(first, to));
    if (this.#actor === null || count < 1 || (to < first + count && first < to + count)) return;
    if (this.#hasHole(first, count)) {
      this.#cannot("calls that fail half way");
      return;
    }
    const region = `r${i}`;
    this.#add({
      ...PLACE,
      step: "remap",
      part: this.#part(first, count),
      to: region,
      keepOld: program.y(i) === 1,
    });
    for (let k = 0; k < count; k++) this.#actor.places[to + k] = { region, first: k };
  }

  #advise(i: number, advice: Advice): void {
    if (this.#hasHole(this.#program.first(i), this.#program.count(i)))
      this.#cannot("calls that fail half way");
    const part = this.#part(this.#program.first(i), this.#program.count(i));
    this.#add({ ...PLACE, step: "advise", part, advice, error: null });
  }

  #hasHole(first: number, count: number): boolean {
    const shadow = this.#run.world.shadow(this.#process);
    for (let page = first; page < Math.min(shadow.pages, first + count); page++) {
      if (shadow.access[page] === UNMAPPED) return true;
    }
    return false;
  }

  #sayMap(i: number): void {
    const program = this.#program;
    const what = program.x(i) & 15;
    const protection = (["none", "none", "r", "rw"] as const)[program.x(i) >> 4] ?? "rw";
    const part = this.#part(program.first(i), program.count(i));
    const at = { region: part.region, first: part.first };
    const base = { ...this.#map(`m${i}`, part.pages), protection, at };
    if (what === MAP.anonymous || what === MAP.huge) {
      this.#add({ ...base, huge: what === MAP.huge });
      return;
    }
    if (what === MAP.shared) {
      this.#add({ ...base, share: "shared" });
      return;
    }
    const file = program.y(i) & 255;
    if (this.#files.has(file)) {
      this.#cannot("a file that is mapped twice");
      return;
    }
    this.#files.add(file);
    const kind = this.#run.world.files[file]?.shadow.kind === "dax" ? "dax" : "file";
    if (kind === "dax") this.#needs.add("dax");
    this.#add({ ...base, backing: { kind }, share: what === MAP.fileShared ? "shared" : "private" });
  }

  #sayDevice(i: number, code: number): void {
    const program = this.#program;
    const device = program.actor(i);
    const on = `d${device}`;
    if (this.#lost.has(device)) {
      this.#cannot("a device that comes in the place of one that is gone");
      return;
    }
    switch (code) {
      case OP.failAllocation:
        this.#command(on, "fail-next-allocation", null, null);
        return;
      case OP.failCopy:
        this.#inject("copy-fails", on, program.x(i));
        return;
      case OP.disappear:
        this.#lost.add(device);
        this.#inject("device-lost", on, 0);
        return;
      case OP.refuse:
        this.#refuse(on, program.x(i));
        return;
      case OP.hold:
      case OP.evict:
        this.#cannot(opName(code));
        return;
      default:
        break;
    }
    const process = code === OP.deviceRead || code === OP.deviceWrite ? program.x(i) >> 4 : program.x(i);
    if (!this.#isOurs(process)) return;
    const one = code === OP.deviceRead || code === OP.deviceWrite;
    const part = this.#part(program.first(i), one ? 1 : program.count(i));
    const value = canonical(program.y(i));
    const command = COMMAND_OF.get(code);
    if (command === undefined) return;
    this.#command(on, command, command === "release" ? null : part, command === "write" ? value : null);
  }

  #command(on: string, command: Command, part: Part | null, value: number | null): void {
    this.#add(deviceStep(on, command, part, value));
  }

  #inject(fault: FaultName, on: string | null, times: number): void {
    this.#needs.add("faults");
    this.#add({ ...PLACE, step: "inject", fault, on, times });
  }

  #refuse(on: string, what: number): void {
    this.#inject("none", on, 0);
    if ((what & REFUSE.nonBlocking) !== 0) this.#inject("refuse-invalidation", on, 0);
    if ((what & REFUSE.in) !== 0) this.#inject("refuse-moves-in", on, 0);
    else if ((what & REFUSE.out) !== 0) this.#inject("refuse-moves-out", on, 0);
  }

  #signal(page: number, write: boolean): ErrorName | null {
    const errno = accessErrno(this.#run, this.#run.world.shadow(this.#process), page, write);
    if (errno === 0) return null;
    this.#needs.add("signals");
    return errno === 14 ? "SIGSEGV" : "SIGBUS";
  }

  /** What an operation that was done has read must be what the pages hold. */
  #sayRead(i: number): void {
    const program = this.#program;
    const code = program.code(i);
    if (code === OP.cpuRead || code === OP.readAll) {
      const count = code === OP.cpuRead ? 1 : program.count(i);
      if (!this.#isOurs(program.actor(i))) return;
      for (let k = 0; k < count; k++) this.#check(program.first(i) + k);
    }
  }

  #check(page: number): void {
    const value = this.#expected(page);
    if (value === null) return;
    const part = this.#part(page, 1);
    this.#add({ ...PLACE, step: "check", part, words: constant(value), error: null });
  }

  /** What the whole page holds in the case: the last value that was written to any word of it. */
  #expected(page: number): number | null {
    const { world } = this.#run;
    if (page >= world.profile.windowPages) return null;
    const shadow = world.shadow(this.#process);
    const flags = world.process(this.#process)?.space.table.flagsAt(world.base + page) ?? 0;
    const lost = (flags & KIND) === LOST || shadow.lost[page] === 1;
    if ((shadow.access[page] ?? 0) < 2 || lost || !world.locate(shadow, page)) return null;
    let last = 0;
    for (let word = 0; word < WORDS; word++) last = Math.max(last, world.slot[world.slotAt + word] ?? 0);
    return canonical(last);
  }

  /** In the end, what every device and the CPU see in every page. */
  #lookAtAll(): void {
    for (const { process } of this.#actors) if (this.#isOurs(process)) this.#lookAtProcess();
  }

  #lookAtProcess(): void {
    const shadow = this.#run.world.shadow(this.#process);
    const readable = (page: number): boolean => this.#expected(page) !== null;
    for (let device = 0; device < this.#profile.devices.length; device++) {
      if (this.#lost.has(device)) continue;
      for (let page = 0; page < shadow.pages; page++) {
        if (!readable(page)) continue;
        const step = deviceStep(`d${device}`, "read", this.#part(page, 1), null);
        this.#add({
          ...step,
          reads: constant(this.#expected(page) ?? 0),
          expect: { ...MAYBE, orErrors: [] },
        });
      }
    }
    for (let page = 0; page < shadow.pages; page++) if (readable(page)) this.#check(page);
  }
}

/** A process of the case. */
interface Actor {
  readonly process: number;
  readonly steps: Step[];
  /** How many steps its parent had done when it was forked. */
  readonly forkedAt: number;
  /** Where pages of the window are that were moved; null: in the window. */
  readonly places: ({ readonly region: string; readonly first: number } | null)[];
}

function deviceStep(on: string, command: Command, part: Part | null, value: number | null): DeviceStep {
  return {
    ...PLACE,
    step: "device",
    on,
    command,
    part,
    writes: value === null ? null : constant(value),
    expect: {
      ...MAYBE,
      orErrors: part === null ? [] : ["EINVAL", "ENOENT", "EBUSY", "EFAULT", "EPERM", "EIO"],
    },
    reads: null,
    codes: null,
    codesAll: false,
  };
}

/** The value that stands for all words of an operation: values of later ones are greater. */
function canonical(value: number): number {
  return value === 0 ? 0 : (value & ~2047) | 1;
}

function constant(value: number): Words {
  return { scale: 0, base: value >>> 0 };
}

const COMMAND_OF: ReadonlyMap<number, Command> = new Map<number, Command>([
  [OP.deviceRead, "read"],
  [OP.deviceWrite, "write"],
  [OP.commandRead, "read"],
  [OP.commandWrite, "write"],
  [OP.migrateToDevice, "migrate-to-device"],
  [OP.migrateToSystem, "migrate-to-system"],
  [OP.snapshot, "snapshot"],
  [OP.exclusive, "exclusive"],
  [OP.release, "release"],
]);
const DEVICE_OPS: ReadonlySet<number> = new Set([
  ...COMMAND_OF.keys(),
  OP.failAllocation,
  OP.failCopy,
  OP.disappear,
  OP.refuse,
  OP.hold,
  OP.evict,
]);
const PROCESS_OPS: ReadonlySet<number> = new Set([
  OP.fork,
  OP.remap,
  OP.cpuWrite,
  OP.map,
  OP.unmap,
  OP.protect,
  OP.discard,
  OP.pageOut,
  OP.adviseHuge,
  OP.pin,
  OP.move,
]);
