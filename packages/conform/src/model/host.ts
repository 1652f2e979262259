import { TestDevice } from "@hms/driver-test";
import { checkInvariants, HUGE_PAGES } from "@hms/hmm";
import { type ModelFile, ModelHost, type ModelHostOptions, type ModelProcess } from "@hms/host-model";
import { type Advice, CAPABILITIES, type DeviceKind, EXTENSIONS, type Protection } from "../format/case.ts";
import { PAGE_BYTES } from "../format/words.ts";
import type {
  CaseDevice,
  CaseFile,
  CaseHost,
  CaseMachine,
  CaseProcess,
  ExtendedProcess,
  MapRequest,
  PageSpan,
} from "../host.ts";
import { ModelCaseDevice } from "./device.ts";
import { expectAccess, expectOk } from "./errors.ts";
import { ModelExtensions } from "./extended.ts";

/** What the machine of a case is made of: 1 GiB of memory, as much swap, and devices of 512 MiB. */
const RAM_PAGES = 1 << 18;
const DEVICE_PAGES = 1 << 17;
/** 2 MiB pages set aside for hugetlb. */
const HUGETLB_POOL = 64;
/** The page from which on mappings with a place of their own go. */
const FRESH_PLACES = 2 ** 32;
/** Devices of each kind. */
const DEVICES = 4;
/** Steps after each of which everything is audited; later ones now and then, for cases of thousands of steps. */
const AUDITED_STEPS = 64;
const AUDIT_EVERY = 64;

/** How the simulated host of a case may differ from the usual one; for tests. */
export interface ModelCaseOptions {
  readonly host?: ModelHostOptions;
  /** Pages of each device's memory. */
  readonly devicePages?: number;
  /** False: each mapping gets a place that none had before, so that a hole stays a hole. Default true. */
  readonly reusePlaces?: boolean;
  /** Called with each new machine, to break it on purpose. */
  readonly prepare?: (machine: ModelMachine) => void;
}

/** The simulated host with the test device as a host of cases: it has every capability there is. */
export function modelCaseHost(options: ModelCaseOptions = {}): CaseHost {
  return {
    name: "model",
    capabilities: new Set([...CAPABILITIES, ...EXTENSIONS]),
    devices: { private: DEVICES, coherent: DEVICES },
    start: () => {
      const machine = new ModelMachine(options);
      options.prepare?.(machine);
      return machine;
    },
  };
}

/** The machine of one case: a fresh simulated host with one process. */
export class ModelMachine implements CaseMachine {
  readonly host: ModelHost;
  readonly process: ModelCaseProcess;
  readonly #devicePages: number;
  readonly #devices = new Map<string, TestDevice>();
  #audits = 0;

  /** Whether places that were mapped once are mapped again. */
  readonly reusesPlaces: boolean;

  constructor({ host, devicePages, reusePlaces }: ModelCaseOptions) {
    this.reusesPlaces = reusePlaces ?? true;
    this.host = new ModelHost({
      ramPages: RAM_PAGES,
      swapPages: RAM_PAGES,
      hugetlbPool: HUGETLB_POOL,
      ...host,
    });
    this.process = new ModelCaseProcess(this, this.host.createProcess());
    this.#devicePages = devicePages ?? DEVICE_PAGES;
  }

  /** The device of a kind and number, made at its first use. */
  device(kind: DeviceKind, index: number): TestDevice {
    const name = `${kind}${index}`;
    let device = this.#devices.get(name);
    if (device === undefined) {
      device = new TestDevice(this.host.core, { name, kind, pages: this.#devicePages });
      this.#devices.set(name, device);
    }
    return device;
  }

  audit(): string | null {
    this.#audits++;
    const ended = this.process.process.space.closed;
    if (!ended && this.#audits > AUDITED_STEPS && this.#audits % AUDIT_EVERY !== 0) return null;
    return checkInvariants(this.host.core)[0] ?? (ended ? this.#leftOver() : null);
  }

  /** What nobody has any more must be free: in the devices, and in the host's memory. */
  #leftOver(): string | null {
    for (const { available, device, memory } of this.#devices.values()) {
      if (device.gone || available === memory.pages) continue;
      return `${memory.pages - available} pages of ${memory.name} are left over`;
    }
    const [leak] = this.host.leaks();
    return leak === undefined ? null : `frame ${leak} is not used and not free, or the reverse`;
  }

  close(): void {
    // Nothing outside of this machine knows of it.
  }
}

class ModelCaseFile implements CaseFile {
  readonly file: ModelFile;

  constructor(file: ModelFile) {
    this.file = file;
  }

  read(firstPage: number, into: Uint8Array): void {
    expectOk(this.file.read(firstPage, into), "reading the file");
  }
}

/** A process of the machine with what it has open. */
export class ModelCaseProcess implements CaseProcess {
  readonly machine: ModelMachine;
  readonly process: ModelProcess;
  readonly extended: ExtendedProcess = new ModelExtensions(this);
  /** What it has open. */
  readonly open: ModelCaseDevice[] = [];
  #next = FRESH_PLACES;

  constructor(machine: ModelMachine, process: ModelProcess) {
    this.machine = machine;
    this.process = process;
  }

  openDevice(kind: DeviceKind, index: number): CaseDevice {
    const device = new ModelCaseDevice(this.machine.device(kind, index), this);
    this.open.push(device);
    return device;
  }

  createFile(kind: "file" | "dax", content: Uint8Array, sharing: CaseFile | null): CaseFile {
    if (sharing !== null) return new ModelCaseFile((sharing as ModelCaseFile).file.reflink());
    const file = this.machine.host.createFile({
      pages: content.length / PAGE_BYTES,
      // A temporary file, as the kernel's own tests use: it lives in memory.
      kind: kind === "dax" ? "dax" : "memory",
    });
    expectOk(file.write(0, content), "writing the file");
    return new ModelCaseFile(file);
  }

  map(request: MapRequest): number {
    const { backing, at, protection, share, huge } = request;
    const isHugetlb = backing.kind === "hugetlb";
    const page = this.process.mmap({
      pages: isHugetlb ? Math.ceil(request.pages / HUGE_PAGES) * HUGE_PAGES : request.pages,
      protection,
      share,
      huge,
      backing:
        "file" in backing
          ? { kind: "file", file: (backing.file as ModelCaseFile).file }
          : { kind: backing.kind === "device" ? "mixed" : backing.kind },
      ...this.#placed(at, request.pages, 0),
    });
    if (page < 0) expectOk(-page, "mmap");
    return page;
  }

  /** Where a mapping goes: where it is asked to, a place of its own, or wherever the host likes. */
  #placed(at: number | null, pages: number, phase: number): { at?: number } {
    if (at !== null) return { at };
    if (this.machine.reusesPlaces) return {};
    const first = this.#next + HUGE_PAGES + phase;
    this.#next = Math.ceil((first + pages) / HUGE_PAGES) * HUGE_PAGES;
    return { at: first };
  }

  unmap({ page, pages }: PageSpan): void {
    expectOk(this.process.munmap(page, pages), "munmap");
  }

  protect({ page, pages }: PageSpan, protection: Protection): void {
    expectOk(this.process.mprotect(page, pages, protection), "mprotect");
  }

  remap({ page, pages }: PageSpan, keepOld: boolean): number {
    const { at } = this.#placed(null, pages, page % HUGE_PAGES);
    const to = this.process.mremap(page, pages, at === undefined ? { keepOld } : { keepOld, to: at });
    if (to < 0) expectOk(-to, "mremap");
    return to;
  }

  advise({ page, pages }: PageSpan, advice: Advice): void {
    expectOk(this.process.madvise(page, pages, advice), "madvise");
  }

  load(page: number, into: Uint8Array): void {
    expectAccess(this.process.read(page, 0, into), "read");
  }

  store(page: number, from: Uint8Array): void {
    expectAccess(this.process.write(page, 0, from), "write");
  }

  touch({ page, pages }: PageSpan): void {
    for (let i = 0; i < pages; i++) expectAccess(this.process.touch(page + i), "read");
  }

  pin({ page, pages }: PageSpan, kind: "short" | "long", write: boolean): void {
    const pin = this.process.pin(page, pages, { kind, write });
    if (typeof pin === "number") expectOk(pin, "pinning");
    else if (kind === "short") pin.release();
  }

  fork(): CaseProcess {
    return new ModelCaseProcess(this.machine, this.process.fork());
  }

  end(): void {
    expectOk(this.process.exit(), "exit");
    for (const device of this.open) device.close();
  }
}
