import { readFileSync } from "node:fs";
import {
  bufferAt,
  CarefulAccess,
  detach,
  Mapping,
  programDiscard,
  programFence,
  programMove,
  programUnmap,
} from "@hms/host-linux";
import { HmsError } from "@hms/topology";
import type { Advice, Protection } from "../format/case.ts";
import { PAGE_BYTES } from "../format/words.ts";
import type { PageSpan } from "../host.ts";
import type { Caller } from "./channel.ts";
import type { Barrier, Piece } from "./face.ts";

/** How a range is accessed: by the processor, or by system calls, which survive what would end the program. */
export type Access = "touch" | "system-call";

/** What is done with bytes of the range, from page `from` of it on. */
type Body = (bytes: Uint8Array, from: number) => void;

/**
 * What a thread of the program does with its memory: real touches, each of which is a page fault that the kernel thread
 * answers, and the system's own calls. An access that would end the program is found out first.
 */
export class ProgramMemory implements Disposable {
  access: Access;
  readonly #caller: Caller;
  readonly #careful = new CarefulAccess();
  /** A page of this thread's own, for system calls. */
  readonly #own = Mapping.reserve(PAGE_BYTES, { populate: true });
  #fences: PageSpan[] = [];
  #rights: readonly Right[] | null = null;

  constructor(caller: Caller, access: Access) {
    this.#caller = caller;
    this.access = access;
  }

  /** The processor reads bytes from the start of a page on. */
  load(page: number, into: Uint8Array): void {
    this.#reach({ page, pages: into.length / PAGE_BYTES }, false, (bytes, from) =>
      into.set(bytes, from * PAGE_BYTES),
    );
  }

  /** The processor writes bytes from the start of a page on. */
  store(page: number, from: Uint8Array): void {
    this.#reach({ page, pages: from.length / PAGE_BYTES }, true, (bytes, first) =>
      bytes.set(from.subarray(first * PAGE_BYTES, first * PAGE_BYTES + bytes.length)),
    );
  }

  /** The processor reads one word of each page. */
  touch(span: PageSpan): void {
    this.#reach(span, false, (bytes) => {
      // Not a plain read, which could be left out.
      for (let i = 0; i < bytes.length; i += PAGE_BYTES) Atomics.load(bytes, i);
    });
  }

  #reach(span: PageSpan, write: boolean, body: Body): void {
    if (this.access === "system-call") {
      this.#reachCarefully(span, write, body);
      return;
    }
    const barrier = this.#barrier(span, write);
    const pages = barrier === null ? span.pages : barrier.page - span.page;
    if (pages > 0) {
      const buffer = bufferAt(span.page * PAGE_BYTES, pages * PAGE_BYTES);
      body(new Uint8Array(buffer), 0);
      detach(buffer);
    }
    if (barrier !== null) this.#refused(barrier, write);
  }

  #reachCarefully({ page, pages }: PageSpan, write: boolean, body: Body): void {
    const own = this.#own.view();
    for (let k = 0; k < pages; k++) {
      const address = (page + k) * PAGE_BYTES;
      if (write) body(own, k);
      const errno = write
        ? this.#careful.copy(address, this.#own.address, PAGE_BYTES)
        : this.#careful.copy(this.#own.address, address, PAGE_BYTES);
      if (errno < 0) {
        const barrier = this.#caller.call("barrier", { page: page + k, pages: 1 }, write);
        throw signal(barrier ?? { page: page + k, signal: "SIGSEGV" }, write);
      }
      if (!write) body(own, k);
    }
  }

  /** What the core forbids, or the kernel itself. */
  #barrier(span: PageSpan, write: boolean): Barrier | null {
    const core = this.#caller.call("barrier", span, write);
    const pages = core === null ? span.pages : core.page - span.page;
    for (let page = span.page; page < span.page + pages; page++) {
      if (!this.#mayAccess(page, write)) return { page, signal: "SIGSEGV" };
    }
    return core;
  }

  #mayAccess(page: number, write: boolean): boolean {
    this.#rights ??= rightsNow();
    const right = this.#rights.find(({ first, end }) => page >= first && page < end);
    return right !== undefined && (write ? right.write : right.read);
  }

  /** The kernel must say the same, to someone whom it does not end for it. */
  #refused(barrier: Barrier, write: boolean): never {
    const address = barrier.page * PAGE_BYTES;
    if (barrier.signal !== "ENOMEM") {
      const own = this.#own.address;
      const errno = write ? this.#careful.copy(address, own, 1) : this.#careful.copy(own, address, 1);
      if (errno >= 0) {
        throw new Error(
          `page ${barrier.page} can be ${write ? "written" : "read"}, where ${barrier.signal} is due`,
        );
      }
    }
    throw signal(barrier, write);
  }

  // Calls.

  /** The ranges' rights are read again when they are next needed. */
  changed(): void {
    this.#rights = null;
  }

  unmap(span: PageSpan): void {
    this.changed();
    const piece = this.#soleOf(span);
    if (piece === null) {
      this.#caller.call("unmap", span);
      return;
    }
    expectOk(programUnmap(span.page, span.pages), "munmap");
    if (programFence(span.page, span.pages) === 0) this.#fences.push(span);
  }

  /** The range, if it is one private mapping: then the program's own call does, and the kernel tells of it. */
  #soleOf(span: PageSpan): Piece | null {
    if (this.access === "system-call") return null;
    const [piece, ...others] = this.#caller.call("pieces", span);
    if (piece === undefined || others.length > 0 || piece.kind !== "private") return null;
    return piece.page === span.page && piece.pages === span.pages ? piece : null;
  }

  protect(span: PageSpan, protection: Protection): void {
    this.changed();
    this.#caller.call("protect", span, protection);
  }

  remap(span: PageSpan, keepOld: boolean): number {
    this.changed();
    if (keepOld || this.#soleOf(span) === null) return this.#caller.call("remap", span, keepOld);
    const to = programMove(span.page, span.pages);
    expectOk(Math.min(0, to), "mremap");
    if (programFence(span.page, span.pages) === 0) this.#fences.push(span);
    return to;
  }

  advise(span: PageSpan, advice: Advice): void {
    if (advice !== "dontneed" || this.#soleOf(span) === null) {
      this.#caller.call("advise", span, advice);
      return;
    }
    expectOk(programDiscard(span.page, span.pages), "madvise");
  }

  /** Holes are holes again. */
  end(): void {
    for (const { page, pages } of this.#fences) programUnmap(page, pages);
    this.#fences = [];
    this.changed();
  }

  /** Something is mapped over a range. */
  covered(span: PageSpan): void {
    this.changed();
    this.#fences = this.#fences.flatMap((fence) => without(fence, span));
  }

  [Symbol.dispose](): void {
    this.end();
    this.#careful.close();
    this.#own.close();
  }
}

interface Right {
  readonly first: number;
  readonly end: number;
  readonly read: boolean;
  readonly write: boolean;
}

/** What the kernel allows this process where. */
function rightsNow(): readonly Right[] {
  return readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, from, to, rights = ""] = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(line) ?? [];
      if (from === undefined || to === undefined) return [];
      return {
        first: Number.parseInt(from, 16) / PAGE_BYTES,
        end: Number.parseInt(to, 16) / PAGE_BYTES,
        read: rights[0] === "r",
        write: rights[1] === "w",
      };
    });
}

function without(span: PageSpan, hole: PageSpan): PageSpan[] {
  const end = span.page + span.pages;
  const parts = [
    { page: span.page, pages: Math.min(end, hole.page) - span.page },
    {
      page: Math.max(span.page, hole.page + hole.pages),
      pages: end - Math.max(span.page, hole.page + hole.pages),
    },
  ];
  return parts.filter(({ pages }) => pages > 0);
}

function signal({ page, signal: name }: Barrier, write: boolean): HmsError {
  const errno = name === "SIGSEGV" ? "EFAULT" : name === "SIGBUS" ? "EIO" : "ENOMEM";
  return new HmsError(name, errno, `the CPU's ${write ? "write" : "read"} of page ${page} ends with ${name}`);
}

function expectOk(errno: number, call: string): void {
  if (errno >= 0) return;
  const name = errno === -22 ? "EINVAL" : errno === -12 ? "ENOMEM" : "EFAULT";
  throw new HmsError(name, name, `${call} failed with error ${-errno}`);
}
