import { closeSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { bufferAt, EventFd, Mapping } from "@hms/host-linux";
import { HmsError } from "@hms/topology";
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
import { Caller, newChannel } from "./channel.ts";
import { LinuxCaseDevice } from "./device.ts";
import { LinuxExtensions } from "./extended.ts";
import type { Shared } from "./kernel.ts";
import { ProgramMemory } from "./memory.ts";
import { RivalThread } from "./rival.ts";
import { StepWatch } from "./watch.ts";

/** Devices of each kind. */
const DEVICES = 4;
/** Bytes of device commands: as many as a region of a case may have. Only what is used is ever there. */
const CARRIER_BYTES = 4 * 2 ** 30;

/** What this host has not, and why: docs/decisions/0022-cases-on-real-memory.md. */
export const LACKS: ReadonlySet<string> = new Set(["fork", "hugetlb", "mixedmap", "dax", "turns"]);

/** The real host as a host of cases. Throws what `LinuxHost` does where this machine does not allow it. */
export class LinuxCaseHost implements CaseHost {
  readonly name = "linux";
  readonly capabilities: ReadonlySet<string> = new Set(
    [...CAPABILITIES, ...EXTENSIONS].filter((name) => !LACKS.has(name)),
  );
  readonly devices: CaseHost["devices"] = { private: DEVICES, coherent: DEVICES };
  readonly #threads = new Threads();
  readonly #watch = new StepWatch();

  constructor() {
    this.#threads.caller.call("open");
    this.#threads.caller.call("close");
  }

  start(): CaseMachine {
    return new LinuxMachine(this.#threads);
  }

  begins(what: string | null): void {
    if (what === null) this.#watch.end();
    else this.#watch.begin(what);
  }
}

/** The threads of the process, which all cases share: the program's two, and the kernel thread. */
export class Threads {
  readonly caller: Caller;
  readonly carrier: Uint8Array;
  readonly memory: ProgramMemory;
  readonly #shared: Shared;
  #rival: RivalThread | null = null;

  constructor() {
    const wake = EventFd.create();
    const carrier = Mapping.reserve(CARRIER_BYTES, { name: "hms case bytes", noReserve: true });
    this.carrier = new Uint8Array(bufferAt(carrier.address, carrier.bytes));
    this.#shared = {
      channels: [newChannel(), newChannel()],
      wake: wake.fd,
      carrier: { address: carrier.address, bytes: carrier.bytes },
    };
    const [channel = newChannel()] = this.#shared.channels;
    this.caller = new Caller(channel, wake);
    this.memory = new ProgramMemory(this.caller, "touch");
    const worker = new Worker(new URL("./kernel.ts", import.meta.url), {
      workerData: this.#shared,
      name: "hms kernel",
    });
    worker.unref();
  }

  /** The second thread of the program, made when it is first needed. */
  get rival(): RivalThread {
    const [, channel = newChannel()] = this.#shared.channels;
    this.#rival ??= new RivalThread(channel, this.#shared.wake);
    return this.#rival;
  }
}

/** The machine of one case: a space of the kernel thread's, which has a host of its own for it. */
class LinuxMachine implements CaseMachine {
  readonly process: LinuxCaseProcess;
  readonly #threads: Threads;

  constructor(threads: Threads) {
    this.#threads = threads;
    threads.caller.call("open");
    threads.memory.access = "touch";
    this.process = new LinuxCaseProcess(threads);
  }

  audit(): string | null {
    return this.#threads.caller.call("audit");
  }

  close(): void {
    this.#threads.caller.call("close");
    this.#threads.memory.end();
    this.process.closeFiles();
  }
}

/** A file without a name. */
class LinuxCaseFile implements CaseFile {
  readonly fd: number;
  /** Where it is mapped, shared: that must be in the file before it is read. */
  shownAt: number | null = null;
  readonly #threads: Threads;

  constructor(threads: Threads, content: Uint8Array) {
    const path = join(tmpdir(), `hms-case-${process.pid}-${performance.now()}`);
    this.#threads = threads;
    this.fd = openSync(path, "wx+", 0o600);
    unlinkSync(path);
    for (let done = 0; done < content.length; ) done += writeSync(this.fd, content, done);
  }

  get path(): string {
    return `/proc/self/fd/${this.fd}`;
  }

  read(firstPage: number, into: Uint8Array): void {
    // As msync(2) does: a memory mapping of hms is written to its file when it is asked to be.
    if (this.shownAt !== null) this.#threads.caller.call("writeBack", this.shownAt);
    for (let done = 0; done < into.length; ) {
      const got = readSync(this.fd, into, done, into.length - done, firstPage * PAGE_BYTES + done);
      if (got === 0)
        throw new HmsError("SHORT_FILE", "EIO", `the file ends ${into.length - done} bytes early`);
      done += got;
    }
  }
}

/** The program. */
export class LinuxCaseProcess implements CaseProcess {
  readonly threads: Threads;
  readonly extended: ExtendedProcess = new LinuxExtensions(this);
  readonly open: LinuxCaseDevice[] = [];
  readonly #files: LinuxCaseFile[] = [];

  constructor(threads: Threads) {
    this.threads = threads;
  }

  openDevice(kind: DeviceKind, index: number): CaseDevice {
    const device = new LinuxCaseDevice(this, this.threads.caller.call("openDevice", kind, index));
    this.open.push(device);
    return device;
  }

  createFile(_kind: "file" | "dax", content: Uint8Array): CaseFile {
    const file = new LinuxCaseFile(this.threads, content);
    this.#files.push(file);
    return file;
  }

  map(request: MapRequest): number {
    const { backing, share, pages, protection, huge, at } = request;
    const file = "file" in backing ? (backing.file as LinuxCaseFile) : null;
    const kind = share === "private" ? "private" : file === null ? "shared" : "file";
    const page = this.threads.caller.call("map", {
      pages,
      protection,
      kind,
      path: file?.path ?? null,
      huge,
      at,
    });
    if (file !== null && kind === "file") file.shownAt = page;
    this.threads.memory.covered({ page, pages });
    return page;
  }

  unmap(span: PageSpan): void {
    this.threads.memory.unmap(span);
  }

  protect(span: PageSpan, protection: Protection): void {
    this.threads.memory.protect(span, protection);
  }

  remap(span: PageSpan, keepOld: boolean): number {
    return this.threads.memory.remap(span, keepOld);
  }

  advise(span: PageSpan, advice: Advice): void {
    this.threads.memory.advise(span, advice);
  }

  load(page: number, into: Uint8Array): void {
    this.threads.memory.load(page, into);
  }

  store(page: number, from: Uint8Array): void {
    this.threads.memory.store(page, from);
  }

  touch(span: PageSpan): void {
    this.threads.memory.touch(span);
  }

  pin(span: PageSpan, kind: "short" | "long", write: boolean): void {
    this.threads.caller.call("pin", span, kind, write);
  }

  fork(): CaseProcess {
    throw new HmsError("NOT_ON_THIS_HOST", "EOPNOTSUPP", "a Node process cannot fork");
  }

  end(): void {
    this.threads.caller.call("end");
  }

  /** What the case's files hold is not needed any more. */
  closeFiles(): void {
    for (const { fd } of this.#files.splice(0)) closeSync(fd);
  }
}
