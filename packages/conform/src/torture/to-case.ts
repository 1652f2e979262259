import { KIND, LOST } from "@hms/hmm";
import type { DeviceKind, ErrorName, Part, RivalStep, Step, TestCase } from "../format/case.ts";
import { assembleAll, CaseActor, WINDOW } from "./case-actors.ts";
import {
  CHANGES,
  COMMAND_OF,
  DEVICE_OPS,
  KNOWN_AFTER,
  ONE_PAGE,
  PROCESS_OPS,
  RACED,
  RIVALS,
  SILENT,
} from "./case-ops.ts";
import {
  ANY_ERROR,
  canonical,
  checkStep,
  deviceStep,
  fillStep,
  injectStep,
  joinPart,
  mapStep,
  PLACE,
  PROTECTIONS,
  refusals,
} from "./case-steps.ts";
import { accessErrno, mayRefuseWrite } from "./execute-cpu.ts";
import type { Profile } from "./profile.ts";
import { MAP, OP, opName, type Program } from "./program.ts";
import { Run } from "./run.ts";
import { ANONYMOUS, type SpaceShadow, UNMAPPED, WORDS } from "./shadow.ts";
import { BASE, World } from "./world.ts";

/** How a case says a program. */
export interface CaseOptions {
  readonly name: string;
  /** The window begins where it does in torture's worlds: near the end of 2 MiB. Else at the start of a region. */
  readonly placed: boolean;
  /** The rival of a race gets in at so many points, from the first on; 1: at any one. */
  readonly raceTimes: number;
  readonly prepare?: ((world: World) => void) | undefined;
}

/**
 * Says a program as a case, or why it cannot be said. Every write becomes one of whole pages, eviction of a part of a
 * device one of all of it, and what a thread of the same process does within an operation the rival of a race. Whether
 * the case fails too is for the caller to try: it runs on a machine that is large, and evicts nothing by itself.
 */
export function toCase(program: Program, profile: Profile, options: CaseOptions): TestCase | string {
  return new CaseMaker(program, profile, options).make();
}

class CaseMaker {
  readonly #program: Program;
  readonly #profile: Profile;
  readonly #options: CaseOptions;
  readonly #run: Run;
  readonly #roots: CaseActor[] = [];
  /** The process of the case for each of the world's. */
  readonly #actors = new Map<number, CaseActor>();
  /** The process that the last step is about. */
  #last: CaseActor | null = null;
  readonly #files = new Set<number>();
  readonly #lost = new Set<number>();
  /** Devices with faults in them. */
  readonly #faulty = new Set<number>();
  #problem: string | null = null;
  #at = 0;

  constructor(program: Program, profile: Profile, options: CaseOptions) {
    const world = new World(profile);
    options.prepare?.(world);
    this.#program = program;
    this.#profile = profile;
    this.#options = options;
    this.#run = new Run(world, program);
  }

  make(): TestCase | string {
    let failed = false;
    while (this.#at < this.#program.length && !failed && this.#problem === null) {
      const end = this.#program.endOf(this.#at);
      failed = this.#operation(this.#at, end);
      this.#at = end;
    }
    if (this.#problem !== null) return this.#problem;
    this.#lookAtAll();
    const steps = assembleAll(this.#roots);
    if (steps === null) return "a case cannot do what several processes and faulty devices do in this order";
    const kinds = this.#profile.devices.map(({ kind }, i): [string, DeviceKind] => [`d${i}`, kind]);
    const { name } = this.#options;
    return { name, file: name, needs: [], devices: new Map(kinds), steps: [...this.#window(), ...steps] };
  }

  /** A range of addresses where nothing is mapped. */
  #window(): Step[] {
    const pages = this.#shift + this.#profile.windowPages;
    const huge = this.#options.placed || this.#profile.huge;
    return [
      { ...mapStep(WINDOW, huge ? Math.ceil(pages / 512) * 512 : pages), protection: "none", huge },
      { ...PLACE, step: "unmap", part: { region: WINDOW, first: 0, pages: null } },
    ];
  }

  get #shift(): number {
    return this.#options.placed && !this.#profile.huge ? BASE % 512 : 0;
  }

  /** Does one operation with those within it, and says it. True when it failed. */
  #operation(i: number, end: number): boolean {
    const { world } = this.#run;
    const { processes } = world;
    const before = [...processes];
    const { succeeded } = this.#run;
    const said = end - i > 1 ? this.#race(i, end) : this.#steps(i);
    let failed = false;
    try {
      this.#run.step(i, end);
      this.#run.verifyAll();
    } catch {
      failed = true;
    }
    const done = failed || this.#run.succeeded > succeeded;
    this.#keep(i, end, said, done);
    const forks = this.#follow(i, before);
    if (failed && !forks && this.#program.code(i) === OP.fork)
      this.#newActor(this.#actor(this.#program.actor(i)));
    this.#sayReads(i);
    return failed;
  }

  /** Takes steps into the case; those of a call that came to nothing only where that changes nothing. */
  #keep(i: number, end: number, said: readonly Step[], done: boolean): void {
    const actor = this.#last;
    if (actor === null) return;
    const code = this.#program.code(i);
    if (!done && CHANGES.has(code)) {
      this.#doubt(i);
      if (!this.#isHalfDone(i, code)) return;
    }
    for (const step of said) actor.add(step, this.#at);
    if (end - i > 1) this.#doubtRace(i, end);
    else if (KNOWN_AFTER.has(code)) this.#trust(i);
    if (code === OP.remap) this.#moved(i);
  }

  /** A call that ended at a hole, and did the rest. */
  #isHalfDone(i: number, code: number): boolean {
    const shadow = this.#run.world.shadow(this.#program.actor(i));
    if (code === OP.protect) return shadow.access[this.#program.first(i)] === this.#program.x(i);
    return code === OP.discard && this.#hasHole(i, shadow);
  }

  /** What the pages of an operation hold in the case is not known from here on. */
  #doubt(i: number): void {
    for (const page of this.#pages(i)) this.#last?.unsure.add(page);
  }

  #trust(i: number): void {
    for (const page of this.#pages(i)) this.#last?.unsure.delete(page);
  }

  #doubtRace(i: number, end: number): void {
    for (let k = i; k < end; k++) if (CHANGES.has(this.#program.code(k))) this.#doubt(k);
  }

  #pages(i: number): number[] {
    const { program } = this.#run;
    const one = ONE_PAGE.has(program.code(i));
    const count = one ? 1 : Math.min(program.count(i), this.#profile.windowPages - program.first(i));
    return Array.from({ length: Math.max(0, count) }, (_, k) => program.first(i) + k);
  }

  #cannot(what: string): readonly Step[] {
    this.#problem ??= `a case has no words for ${what}`;
    return [];
  }

  /** The process of the case for one of the world's. */
  #actor(process: number): CaseActor {
    let actor = this.#actors.get(process);
    if (actor === undefined) {
      actor = this.#newActor(null);
      this.#roots.push(actor);
      this.#actors.set(process, actor);
    }
    this.#last = actor;
    return actor;
  }

  /** Processes that came and went. True: one was forked. */
  #follow(i: number, before: readonly unknown[]): boolean {
    const { processes } = this.#run.world;
    let forks = false;
    for (let k = 0; k < processes.length; k++) {
      if (processes[k] === before[k]) continue;
      this.#actors.delete(k);
      if (processes[k] === null || this.#program.code(i) !== OP.fork) continue;
      this.#actors.set(k, this.#newActor(this.#actor(this.#program.actor(i))));
      forks = true;
    }
    return forks;
  }

  #newActor(parent: CaseActor | null): CaseActor {
    const window = { pages: this.#profile.windowPages, shift: this.#shift };
    return new CaseActor(window, parent, this.#at);
  }

  // What an operation is in the words of a case, before it is done.

  #steps(i: number): readonly Step[] {
    const program = this.#program;
    const code = program.code(i);
    if (DEVICE_OPS.has(code)) return this.#deviceSteps(i, code);
    if (PROCESS_OPS.has(code)) {
      const process = program.actor(i);
      if (this.#run.world.process(process) === null) return [];
      return this.#processSteps(i, code, this.#actor(process), this.#run.world.shadow(process));
    }
    if (code === OP.reclaim) {
      const nonBlocking = program.y(i) === 1;
      this.#last ??= this.#actor(0);
      return [{ ...PLACE, step: "reclaim", pages: program.x(i), nonBlocking, expectPages: null }];
    }
    // Looks, ends of processes and of pins: nothing to say.
    return SILENT.has(code) ? [] : this.#cannot(opName(code));
  }

  #processSteps(i: number, code: number, actor: CaseActor, shadow: SpaceShadow): readonly Step[] {
    const program = this.#program;
    const first = program.first(i);
    const parts = actor.parts(first, ONE_PAGE.has(code) ? 1 : program.count(i));
    switch (code) {
      case OP.cpuWrite: {
        const error = this.#signal(shadow, first, true);
        if (error === undefined) return [];
        return parts.map((part) => fillStep(part, canonical(program.y(i)), error));
      }
      case OP.map:
        return this.#map(i, parts);
      case OP.unmap:
        return parts.map((part) => ({ ...PLACE, step: "unmap", part }));
      case OP.protect: {
        const protection = PROTECTIONS[program.x(i)] ?? "rw";
        return this.#upToHole(i, actor, shadow).map((part) => ({
          ...PLACE,
          step: "protect",
          part,
          protection,
        }));
      }
      case OP.discard:
      case OP.pageOut:
      case OP.adviseHuge: {
        const huge = program.x(i) === 1 ? "hugepage" : "nohugepage";
        const advice = code === OP.discard ? "dontneed" : code === OP.pageOut ? "pageout" : huge;
        if (this.#hasHole(i, shadow) && code !== OP.discard) return [];
        return this.#mapped(i, actor, shadow).map((part) => ({
          ...PLACE,
          step: "advise",
          part,
          advice,
          error: null,
        }));
      }
      case OP.pin: {
        const write = program.y(i) === 1;
        if (this.#signal(shadow, first, write) !== null) return [];
        const kind = program.x(i) === 1 ? "long" : "short";
        return parts.map((part) => ({ ...PLACE, step: "pin", part, kind, write, error: null }));
      }
      case OP.move: {
        const to = program.x(i) === 0 ? "system" : `d${program.x(i) - 1}`;
        if (program.x(i) > 0) this.#involve(program.x(i) - 1);
        const duplicate = program.y(i) === 1 && program.x(i) > 0;
        return parts.map((part) => ({ ...PLACE, step: "migrate", part, to, duplicate, expectPages: null }));
      }
      case OP.remap:
        return this.#remap(i, actor);
      default:
        return [];
    }
  }

  #hasHole(i: number, shadow: SpaceShadow): boolean {
    return this.#pages(i).some((page) => shadow.access[page] === UNMAPPED);
  }

  /** The parts of the range where something is mapped. */
  #mapped(i: number, actor: CaseActor, shadow: SpaceShadow): Part[] {
    return this.#pages(i)
      .filter((page) => shadow.access[page] !== UNMAPPED)
      .flatMap((page) => actor.parts(page, 1))
      .reduce<Part[]>(joinPart, []);
  }

  /** What a change of protection comes to: it ends at the first hole. */
  #upToHole(i: number, actor: CaseActor, shadow: SpaceShadow): Part[] {
    const pages = this.#pages(i);
    const hole = pages.findIndex((page) => shadow.access[page] === UNMAPPED);
    if (hole === 0) return [];
    return actor.parts(this.#program.first(i), hole < 0 ? pages.length : hole);
  }

  /** The signal that an access must end with; undefined: it ends at the end of a file, which a case's file has not. */
  #signal(shadow: SpaceShadow, page: number, write: boolean): ErrorName | null | undefined {
    const errno = accessErrno(this.#run, shadow, page, write);
    if (errno === 0) return null;
    if (errno === 14) return "SIGSEGV";
    return shadow.lost[page] === 1 && !this.#last?.unsure.has(page) ? "SIGBUS" : undefined;
  }

  #map(i: number, parts: readonly Part[]): readonly Step[] {
    const program = this.#program;
    const what = program.x(i) & 15;
    const protection = PROTECTIONS[program.x(i) >> 4] ?? "rw";
    const [part] = parts;
    if (part === undefined || parts.length > 1) return this.#cannot("mapping over several regions");
    const at = { region: part.region, first: part.first };
    const base = { ...mapStep(`m${i}`, part.pages), protection, at };
    if (what === MAP.anonymous || what === MAP.huge) return [{ ...base, huge: what === MAP.huge }];
    if (what === MAP.shared) return [{ ...base, share: "shared" }];
    const index = program.y(i) & 255;
    const file = this.#run.world.files[index] ?? null;
    if (file === null) return [];
    if (this.#files.has(index)) return this.#cannot("a file that is mapped twice");
    if (file.shadow.words.some((word) => word !== 0))
      return this.#cannot("a file that holds something already");
    this.#files.add(index);
    const kind = file.shadow.kind === "dax" ? "dax" : "file";
    return [{ ...base, backing: { kind }, share: what === MAP.fileShared ? "shared" : "private" }];
  }

  #remap(i: number, actor: CaseActor): readonly Step[] {
    const { first, count } = this.#moves(i);
    if (count < 1) return [];
    const keepOld = this.#program.y(i) === 1;
    return actor
      .parts(first, count)
      .map((part, k) => ({ ...PLACE, step: "remap", part, to: `r${i}.${k}`, keepOld }));
  }

  #moves(i: number): { readonly first: number; readonly count: number; readonly to: number } {
    const program = this.#program;
    const first = program.first(i);
    const to = program.x(i);
    const count = Math.min(program.count(i), this.#profile.windowPages - Math.max(first, to));
    const overlap = to < first + count && first < to + count;
    return { first, count: overlap ? 0 : count, to };
  }

  /** The pages are in new regions, one for each part that they came from. */
  #moved(i: number): void {
    const actor = this.#last;
    const { first, count, to } = this.#moves(i);
    if (actor === null) return;
    let page = to;
    for (const [k, part] of actor.parts(first, count).entries()) {
      for (let at = 0; at < (part.pages ?? 0); at++) {
        const from = first + page - to;
        if (actor.unsure.has(from)) actor.unsure.add(page);
        else actor.unsure.delete(page);
        actor.moved(page++, `r${i}.${k}`, at);
      }
    }
  }

  #deviceSteps(i: number, code: number): readonly Step[] {
    const program = this.#program;
    const device = program.actor(i);
    const on = `d${device}`;
    if (this.#lost.has(device)) return this.#cannot("a device that comes in the place of one that is gone");
    if (!this.#involve(device)) return [];
    this.#last ??= this.#actor(0);
    switch (code) {
      case OP.failAllocation:
        this.#faulty.add(device);
        return [deviceStep(on, "fail-next-allocation", null, {})];
      case OP.failCopy:
        this.#faulty.add(device);
        return [injectStep("copy-fails", on, program.x(i))];
      case OP.disappear:
        return this.#disappear(device);
      case OP.refuse:
        this.#faulty.add(device);
        return refusals(on, program.x(i));
      case OP.hold:
        return this.#cannot(opName(code));
      case OP.evict:
        return [deviceStep(on, "release", null, { orErrors: ["EBUSY"] })];
      default:
        return this.#command(i, code, on, program.x(i));
    }
  }

  /** What was in the memory of the device in torture's world need not have been there in the case, and the reverse. */
  #disappear(device: number): readonly Step[] {
    this.#lost.add(device);
    for (const actor of this.#actors.values()) {
      for (let page = 0; page < this.#profile.windowPages; page++) actor.unsure.add(page);
    }
    return [injectStep("device-lost", `d${device}`, 0)];
  }

  #involve(device: number): boolean {
    if (this.#lost.has(device)) this.#cannot("a device that comes in the place of one that is gone");
    return device < this.#profile.devices.length;
  }

  #command(i: number, code: number, on: string, x: number): readonly Step[] {
    const program = this.#program;
    const command = COMMAND_OF.get(code);
    const one = ONE_PAGE.has(code);
    const process = one ? x >> 4 : x;
    if (command === undefined || this.#run.world.process(process) === null) return [];
    const actor = this.#actor(process);
    if (command === "release") return [deviceStep(on, command, null, { orErrors: ["EBUSY"] })];
    const write = command === "write";
    const isSure = this.#faulty.size === 0 && program.endOf(i) === i + 1 && program.parent(i) < 0;
    const strict = isSure && (write || command === "read") && this.#mustWork(process, i, write);
    const orErrors = strict ? [] : ANY_ERROR;
    const more = write ? { writes: canonical(program.y(i)), orErrors } : { orErrors };
    return actor
      .parts(program.first(i), one ? 1 : program.count(i))
      .map((part) => deviceStep(on, command, part, more));
  }

  /** Whether a device's access to all pages of an operation must succeed. */
  #mustWork(process: number, i: number, write: boolean): boolean {
    const shadow = this.#run.world.shadow(process);
    return this.#pages(i).every(
      (page) =>
        accessErrno(this.#run, shadow, page, write) === 0 &&
        !(write && mayRefuseWrite(this.#run, shadow, page)),
    );
  }

  // What happens within an operation.

  /** An operation with others within it: those must be what another thread of the process can do in a race. */
  #race(i: number, end: number): readonly Step[] {
    const code = this.#program.code(i);
    if (!RACED.has(code) && RIVALS.has(code) && end === i + 2) return this.#raceTheOtherWay(i);
    const steps = RACED.has(code) ? this.#steps(i) : this.#cannot(`what happens within ${opName(code)}`);
    const actor = this.#last;
    const process = this.#processOf(i);
    const rival: RivalStep[] = [];
    for (let k = i + 1; k < end && actor !== null && this.#problem === null; k++) {
      if (RIVALS.has(this.#program.code(k)) && this.#program.actor(k) === process) {
        rival.push(...this.#rival(k, actor, process));
      } else if (!SILENT.has(this.#program.code(k))) {
        this.#cannot(`${opName(this.#program.code(k))} of another one within ${opName(code)}`);
      }
    }
    if (rival.length === 0 || steps.length === 0) return steps;
    return [{ ...PLACE, step: "race", steps, rival, times: this.#options.raceTimes }];
  }

  /** What a device does within a call of the process: in a case the call is the rival. */
  #raceTheOtherWay(i: number): readonly Step[] {
    const code = this.#program.code(i);
    const process = this.#program.actor(i);
    const within = this.#program.code(i + 1);
    if (!RACED.has(within) || this.#processOf(i + 1) !== process)
      return this.#cannot(`what happens within ${opName(code)}`);
    if (this.#run.world.process(process) === null) return [];
    const rival = this.#rival(i, this.#actor(process), process);
    const steps = this.#steps(i + 1);
    if (rival.length === 0 || steps.length === 0) return steps;
    return [{ ...PLACE, step: "race", steps, rival, times: this.#options.raceTimes }];
  }

  #processOf(i: number): number {
    const program = this.#program;
    const code = program.code(i);
    if (code === OP.deviceRead || code === OP.deviceWrite) return program.x(i) >> 4;
    return DEVICE_OPS.has(code) ? program.x(i) : program.actor(i);
  }

  #rival(k: number, actor: CaseActor, process: number): readonly RivalStep[] {
    const program = this.#program;
    const shadow = this.#run.world.shadow(process);
    const code = program.code(k);
    if (code === OP.cpuRead || code === OP.readAll) {
      if (this.#pages(k).some((page) => this.#signal(shadow, page, false) !== null)) return [];
      return actor
        .parts(program.first(k), this.#pages(k).length)
        .map((part) => ({ ...PLACE, step: "touch", part, error: null }));
    }
    if (code === OP.cpuWrite && this.#signal(shadow, program.first(k), true) !== null) return [];
    return this.#processSteps(k, code, actor, shadow) as readonly RivalStep[];
  }

  // What pages hold.

  /** What an operation that was done has read must be what the pages hold. */
  #sayReads(i: number): void {
    const program = this.#program;
    const code = program.code(i);
    if (code !== OP.cpuRead && code !== OP.readAll) return;
    const process = program.actor(i);
    if (this.#run.world.process(process) === null) return;
    const actor = this.#actor(process);
    for (const page of this.#pages(i)) this.#look(actor, process, page, null);
  }

  /** What the whole page holds in the case: the last value that was written to any word of it; null: not known. */
  #expected(actor: CaseActor, process: number, page: number): number | null {
    const { world } = this.#run;
    const shadow = world.shadow(process);
    const flags = world.process(process)?.space.table.flagsAt(world.base + page) ?? 0;
    const lost = (flags & KIND) === LOST || shadow.lost[page] === 1;
    const readable = (shadow.access[page] ?? 0) >= 2;
    if (!readable || lost || actor.unsure.has(page) || !world.locate(shadow, page)) return null;
    let last = 0;
    for (let word = 0; word < WORDS; word++) last = Math.max(last, world.slot[world.slotAt + word] ?? 0);
    return canonical(last);
  }

  #look(actor: CaseActor, process: number, page: number, device: string | null): void {
    const value = this.#expected(actor, process, page);
    const [part] = actor.parts(page, 1);
    if (value === null || part === undefined) return;
    const step =
      device === null ? checkStep(part, value) : deviceStep(device, "read", part, { reads: value });
    actor.add(step, this.#at, this.#run.world.shadow(process).flavour[page] !== ANONYMOUS);
  }

  /** In the end, what every device and the CPU see in every page. */
  #lookAtAll(): void {
    for (const [process, actor] of this.#actors) {
      for (const device of this.#faulty) {
        if (!this.#lost.has(device)) actor.add(injectStep("none", `d${device}`, 0), this.#at);
      }
      const pages = Array.from({ length: this.#profile.windowPages }, (_, page) => page);
      for (let device = 0; device < this.#profile.devices.length; device++) {
        if (this.#lost.has(device)) continue;
        for (const page of pages) this.#look(actor, process, page, `d${device}`);
      }
      for (const page of pages) this.#look(actor, process, page, null);
    }
  }
}
