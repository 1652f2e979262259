import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  canFork,
  DEVICES_PER_KIND,
  Dmirror,
  type DmirrorFacts,
  daxFacts,
  ForkedCalls,
  findDmirror,
  GupTest,
  ownCalls,
  PlainMemory,
  Room,
  type SystemCalls,
  shareExtents,
} from "@hms/host-linux/dmirror";
import { HmsError } from "@hms/topology";
import type { Advice, Command, DeviceKind, Protection } from "../format/case.ts";
import { PAGE_BYTES } from "../format/words.ts";
import type {
  CaseDevice,
  CaseFile,
  CaseHost,
  CaseMachine,
  CaseProcess,
  CommandResult,
  ExtendedProcess,
  MapRequest,
  PageSpan,
} from "../host.ts";
import { RacingCalls } from "./race.ts";

/** Any range will do for a command that has none: the driver looks at it all the same. */
const ANY: PageSpan = { page: 1 << 20, pages: 1 };

/** What every kernel with the test device can do. `alternatives` is the runner's alone. */
const ALWAYS = ["private", "file", "shared", "exclusive", "remap", "mixedmap", "alternatives"] as const;

/** How the kernel's host is made. */
export interface KernelHostOptions {
  /** A folder of a file system on persistent memory, whose files can share extents: for cases of DAX files. */
  readonly dax?: string;
}

/** The running kernel with its own HMM test device as a host of cases: what it answers is right. */
export class KernelCaseHost implements CaseHost {
  readonly name = "kernel";
  readonly capabilities: ReadonlySet<string>;
  readonly devices: CaseHost["devices"];
  readonly #room = new Room();
  /** All cases share its second thread. */
  readonly #calls = new RacingCalls();
  readonly #dax: string | null;

  constructor(options: KernelHostOptions = {}) {
    const facts = findDmirror();
    const capabilities = capabilitiesOf(facts);
    this.#dax = options.dax ?? null;
    if (this.#dax !== null) {
      checkDax(this.#dax);
      capabilities.add("dax");
    }
    this.capabilities = capabilities;
    this.devices = { private: facts.privateDevices, coherent: facts.coherentDevices };
  }

  start(): CaseMachine {
    const calls = this.#calls;
    const memory = new PlainMemory(calls, this.#room);
    const process = new RacingProcess(calls, this.#room, memory, this.#dax);
    return { process, close: () => process.end() };
  }
}

function checkDax(folder: string): void {
  const { dax, reflink } = daxFacts(folder);
  if (dax && reflink) return;
  const lacks = dax ? "its files cannot share extents" : "a mapping of its files is a copy";
  const remedy = "name a folder of an xfs with reflink, on persistent memory, mounted with dax=always";
  throw new HmsError("NO_DAX", "EOPNOTSUPP", `DAX files are needed and in ${folder} ${lacks}; ${remedy}.`);
}

function capabilitiesOf(facts: DmirrorFacts): Set<string> {
  const capabilities = new Set<string>(ALWAYS);
  if (canFork) for (const name of ["fork", "race"]) capabilities.add(name);
  if (facts.coherentDevices > 0) capabilities.add("coherent");
  if (facts.pins) capabilities.add("pin");
  if (existsSync("/sys/kernel/mm/transparent_hugepage/enabled")) capabilities.add("thp");
  const huge = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
  if (existsSync(huge) && Number(readFileSync(huge, "utf8")) > 0) capabilities.add("hugetlb");
  return capabilities;
}

/** A file without a name. */
class KernelFile implements CaseFile {
  readonly fd: number;

  constructor(folder: string, content: Uint8Array, sharing: KernelFile | null) {
    const path = join(folder, `hms-case-${process.pid}-${performance.now()}`);
    this.fd = openSync(path, "wx+", 0o600);
    unlinkSync(path);
    if (sharing !== null) {
      fsyncSync(sharing.fd);
      const shared = shareExtents(this.fd, sharing.fd);
      if (shared < 0) throw new HmsError("NO_DAX", null, `sharing the extents of a file failed (${shared})`);
      return;
    }
    for (let done = 0; done < content.length; ) done += writeSync(this.fd, content, done);
  }

  read(firstPage: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      const got = readSync(this.fd, into, done, into.length - done, firstPage * PAGE_BYTES + done);
      if (got === 0)
        throw new HmsError("SHORT_FILE", "EIO", `the file ends ${into.length - done} bytes early`);
      done += got;
    }
  }
}

class KernelDevice implements CaseDevice {
  readonly device: Dmirror;

  constructor(device: Dmirror) {
    this.device = device;
  }

  run(command: Command, span: PageSpan | null, buffer: Uint8Array): CommandResult {
    if (command === "fail-next-allocation")
      throw new HmsError("NOT_ON_THIS_HOST", "EOPNOTSUPP", "this kernel's test device has no such command");
    const { page, pages } = span ?? ANY;
    return this.device.run(command, page, pages, buffer);
  }

  close(): void {
    this.device.close();
  }
}

/** For a process that makes no files. */
const NOWHERE = Symbol("no files");

/** A process: this one, or a child that it forked. */
class KernelProcess implements CaseProcess {
  readonly #calls: SystemCalls;
  readonly #room: Room;
  readonly #memory: PlainMemory;
  readonly #files: KernelFile[] = [];
  /** Where DAX files are made; NOWHERE: no files at all. */
  readonly #dax: string | null | typeof NOWHERE;
  #pins: GupTest | null = null;

  constructor(calls: SystemCalls, room: Room, memory: PlainMemory, dax: string | null | typeof NOWHERE) {
    this.#dax = dax;
    this.#calls = calls;
    this.#room = room;
    this.#memory = memory;
  }

  openDevice(kind: DeviceKind, index: number): CaseDevice {
    const number = kind === "private" ? index : index + DEVICES_PER_KIND;
    return new KernelDevice(new Dmirror(this.#calls, this.#room, number));
  }

  createFile(kind: "file" | "dax", content: Uint8Array, sharing: CaseFile | null): CaseFile {
    if (this.#dax === NOWHERE)
      throw new HmsError("NOT_ON_THIS_HOST", "EOPNOTSUPP", "a forked child of this host makes no files");
    const folder = kind === "dax" ? (this.#dax ?? tmpdir()) : tmpdir();
    const file = new KernelFile(folder, content, sharing as KernelFile | null);
    this.#files.push(file);
    return file;
  }

  map({ pages, protection, share, backing, huge, at }: MapRequest): number {
    const shared = share === "shared";
    return this.#memory.map({ pages, protection, shared, of: mapped(backing), huge, at });
  }

  unmap({ page, pages }: PageSpan): void {
    this.#memory.unmap(page, pages);
  }

  protect({ page, pages }: PageSpan, protection: Protection): void {
    this.#memory.protect(page, pages, protection);
  }

  remap({ page, pages }: PageSpan, keepOld: boolean): number {
    return this.#memory.move(page, pages, keepOld);
  }

  advise({ page, pages }: PageSpan, advice: Advice): void {
    this.#memory.advise(page, pages, advice);
  }

  load(page: number, into: Uint8Array): void {
    this.#memory.load(page, into);
  }

  store(page: number, from: Uint8Array): void {
    this.#memory.store(page, from);
  }

  touch({ page, pages }: PageSpan): void {
    this.#memory.touch(page, pages);
  }

  pin({ page, pages }: PageSpan, kind: "short" | "long", write: boolean): void {
    this.#pins ??= new GupTest(this.#calls, this.#room);
    this.#pins.pin(page, pages, kind, write);
  }

  fork(): CaseProcess {
    const calls = new ForkedCalls();
    return new KernelChild(calls, this.#room, this.#memory.inherited(calls));
  }

  end(_how: "exit" | "killed" = "exit"): void {
    this.#pins?.close();
    this.#pins = null;
    this.#memory.end();
    for (const { fd } of this.#files.splice(0)) closeSync(fd);
  }
}

/** This process, with a second thread for races. */
class RacingProcess extends KernelProcess {
  readonly extended: ExtendedProcess;

  constructor(calls: RacingCalls, room: Room, memory: PlainMemory, dax: string | null) {
    super(calls, room, memory, dax);
    const refuse = (): never => {
      throw new HmsError("NOT_ON_THIS_HOST", "EOPNOTSUPP", "a kernel cannot be told to do this");
    };
    this.extended = {
      // The rival's bytes have a room of their own: the other one's are in use.
      rival: (rivals, times) => {
        const own = new Room();
        const other = new KernelProcess(ownCalls, own, new PlainMemory(ownCalls, own), NOWHERE);
        const race = calls.begin(other, rivals, times);
        return {
          stop: () => {
            using _ = own;
            return race.stop();
          },
          abandon: () => {
            using _ = own;
            race.abandon();
          },
        };
      },
      inject: refuse,
      reclaim: refuse,
      migrate: refuse,
      explain: refuse,
    };
  }
}

/** A child: its memory, descriptors and pins go with it. */
class KernelChild extends KernelProcess {
  readonly #forked: ForkedCalls;

  constructor(calls: ForkedCalls, room: Room, memory: PlainMemory) {
    super(calls, room, memory, NOWHERE);
    this.#forked = calls;
  }

  override end(how: "exit" | "killed" = "exit"): void {
    this.#forked.end(how);
    this.#forked[Symbol.dispose]();
  }
}

function mapped(backing: MapRequest["backing"]): number | "anonymous" | "hugetlb" {
  if (backing.kind === "device") return (backing.device as KernelDevice).device.fd;
  if (backing.kind === "file" || backing.kind === "dax") return (backing.file as KernelFile).fd;
  return backing.kind;
}
