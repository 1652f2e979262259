import assert from "node:assert/strict";
import { test } from "node:test";
import { HmsError } from "@hms/topology";
import { readCase } from "../format/read.ts";
import type { CaseDevice, CaseHost, CaseProcess, CommandResult } from "../host.ts";
import type { Outcome } from "./outcome.ts";
import { runCase } from "./runner.ts";

// A host of plain memory, where everything is always present, so that these tests are about the runner alone.
const PAGE = 4096;

class PlainProcess implements CaseProcess {
  readonly memory = new Map<number, Uint8Array>();
  readonly host: PlainHost;
  next = 16;

  constructor(host: PlainHost) {
    this.host = host;
  }

  openDevice(): CaseDevice {
    const host = this.host;
    const done = { error: null, pages: 0, faults: 0 };
    return {
      run: (command, span, buffer) => {
        host.log.push(command);
        const answer = host.answers.shift();
        if (answer !== undefined) return answer(buffer);
        if (span === null) return done;
        if (command === "read") this.load(span.page, buffer);
        if (command === "write") this.store(span.page, buffer);
        if (command === "snapshot") buffer.fill(2, 0, span.pages);
        return { error: null, pages: span.pages, faults: 1 };
      },
      close: () => void host.log.push("close"),
    };
  }

  createFile(_kind: string, content: Uint8Array): { read(page: number, into: Uint8Array): void } {
    return { read: (page, into) => into.set(content.subarray(page * PAGE, page * PAGE + into.length)) };
  }

  map({ pages, at }: { readonly pages: number; readonly at: number | null }): number {
    const page = at ?? this.next;
    if (at === null) this.next += pages + 1;
    for (let i = 0; i < pages; i++) this.memory.set(page + i, new Uint8Array(PAGE));
    return page;
  }

  unmap({ page, pages }: { readonly page: number; readonly pages: number }): void {
    for (let i = 0; i < pages; i++) this.memory.delete(page + i);
  }

  protect(): void {}
  advise(): void {}
  pin(): void {}

  remap(span: { readonly page: number; readonly pages: number }): number {
    const page = this.map({ pages: span.pages, at: null });
    for (let i = 0; i < span.pages; i++) this.memory.set(page + i, this.#page(span.page + i));
    this.unmap(span);
    return page;
  }

  load(page: number, into: Uint8Array): void {
    for (let i = 0; i * PAGE < into.length; i++) into.set(this.#page(page + i), i * PAGE);
  }

  store(page: number, from: Uint8Array): void {
    for (let i = 0; i * PAGE < from.length; i++)
      this.#page(page + i).set(from.subarray(i * PAGE, (i + 1) * PAGE));
  }

  touch({ page }: { readonly page: number }): void {
    this.#page(page);
  }

  fork(): CaseProcess {
    const child = new PlainProcess(this.host);
    child.next = this.next;
    for (const [page, bytes] of this.memory) child.memory.set(page, bytes.slice());
    return child;
  }

  end(how: string): void {
    this.host.log.push(how);
  }

  #page(page: number): Uint8Array {
    const bytes = this.memory.get(page);
    if (bytes === undefined) throw new HmsError("SIGSEGV", "EFAULT", "Nothing is mapped there.");
    return bytes;
  }
}

class PlainHost implements CaseHost {
  readonly name = "plain";
  readonly capabilities: ReadonlySet<string> = new Set([
    "private",
    "fork",
    "file",
    "signals",
    "remap",
    "thp",
  ]);
  readonly devices = { private: 1, coherent: 0 };
  /** What was asked of the devices and processes, in order. */
  readonly log: string[] = [];
  /** Answers that commands give instead of doing anything. */
  readonly answers: ((buffer: Uint8Array) => CommandResult)[] = [];
  wrong: string | null = null;

  start(): { process: CaseProcess; audit(): string | null; close(): void } {
    return {
      process: new PlainProcess(this),
      audit: () => this.wrong,
      close: () => void this.log.push("end"),
    };
  }
}

function run(steps: string, host = new PlainHost()): Promise<Outcome> {
  const read = readCase("x.yaml", `name: x\nneeds: [signals]\ndevices: {d: private}\nsteps:\n${steps}`);
  assert.ok("steps" in read);
  return runCase(read, host);
}

function failure(outcome: Outcome): string {
  assert.ok(outcome.result === "failed", JSON.stringify(outcome));
  return `${outcome.step}@${outcome.line} ${outcome.message}`;
}

const MAP = "  - map: {as: b, pages: 4}\n";

test("a case that holds passes, and everything is closed", async () => {
  const host = new PlainHost();
  const outcome = await run(
    `${MAP}  - fill: {region: b, words: index}
  - device: {on: d, do: read, region: b, first: 1, expect: {pages: 3, faults: 1}, reads: index}
  - increment: {region: b, first: 3, from: index}
  - check: {region: b, pages: 3, words: index}
  - check: {region: b, first: 3, words: index+1}
  - device: {on: d, do: write, region: b, writes: negative, reads: negative}
  - remap: {region: b, first: 2, to: {as: c}}
  - fork: {child: [{fill: {region: c, words: zero}}, {device: {on: d, do: read, region: c, reads: zero}}]}
  - device: {on: d, do: snapshot, region: c, codes: [WRITE, WRITE], reads: zero}
  - touch: {region: b, first: 2, expect: {error: SIGSEGV}}`,
    host,
  );
  assert.deepEqual(outcome, { result: "passed" });
  assert.deepEqual(host.log, ["read", "write", "read", "close", "exit", "snapshot", "close", "exit", "end"]);
});

test("a wrong word fails with its step, line, place and both values", async () => {
  const outcome = await run(
    `${MAP}  - fill: {region: b, words: index}\n  - check: {region: b, first: 2, words: index+1}`,
  );
  assert.deepEqual(outcome, {
    result: "failed",
    step: "3",
    line: 7,
    message: "the CPU reads word 2048 (page 2) of b: expected 2049, got 2048",
    expected: "2049",
    actual: "2048",
  });
});

test("an error that was not expected, and one that did not come, fail", async () => {
  const host = new PlainHost();
  host.answers.push(() => ({ error: "EBUSY", pages: 0, faults: 0 }));
  const read = "  - device: {on: d, do: read, region: b";
  assert.match(
    failure(await run(`${MAP}${read}}`, host)),
    /^2@6 read of b on d: expected success, got EBUSY$/,
  );
  assert.match(failure(await run(`${MAP}${read}, expect: {error: EPERM}}`)), /expected EPERM, got success$/);
  assert.match(failure(await run(`${MAP}${read}, expect: {faults: 0}}`)), /faults: expected 0, got 1$/);
  assert.match(failure(await run(`${MAP}${read}, expect: {pages: 3}}`)), /pages: expected 3, got 4$/);
  const touch = "  - unmap: {region: b}\n  - touch: {region: b";
  assert.match(
    failure(await run(`${MAP}${touch}}`)),
    /Nothing is mapped there.*expected success, got SIGSEGV$/,
  );
  assert.match(
    failure(await run(`${MAP}${touch}, expect: {error: SIGBUS}}`)),
    /expected SIGBUS, got SIGSEGV$/,
  );
});

test("a device that touches the buffer although it fails is caught", async () => {
  const host = new PlainHost();
  host.answers.push((buffer) => {
    buffer[PAGE + 9] = 0;
    return { error: "EFAULT", pages: 0, faults: 0 };
  });
  const outcome = await run(`${MAP}  - device: {on: d, do: read, region: b, expect: {error: EFAULT}}`, host);
  assert.match(failure(outcome), /^2@6 read on d changed word 1026 of the buffer it was given/);
});

test("after an error the buffer still holds what the last success put there", async () => {
  const host = new PlainHost();
  const steps = `${MAP}  - fill: {region: b, words: index}
  - device: {on: d, do: read, region: b, reads: index}
  - fill: {region: b, words: negative}
  - device: {on: d, do: read, region: b, expect: {error: EFAULT}, reads: index}`;
  host.answers.push(
    (buffer) => {
      const words = new Uint32Array(buffer.buffer, buffer.byteOffset, buffer.length / 4);
      for (let i = 0; i < words.length; i++) words[i] = i;
      return { error: null, pages: 4, faults: 1 };
    },
    () => ({ error: "EFAULT", pages: 0, faults: 0 }),
  );
  assert.deepEqual(await run(steps, host), { result: "passed" });
});

test("a device that says that it has read but wrote nothing is caught, even where zeros are expected", async () => {
  const host = new PlainHost();
  host.answers.push(() => ({ error: null, pages: 4, faults: 1 }));
  const outcome = await run(`${MAP}  - device: {on: d, do: read, region: b, reads: zero}`, host);
  assert.match(failure(outcome), /device d's buffer holds word 0 .*expected 0, got 2779077210/);
});

test("wrong codes name the page and both codes", async () => {
  const outcome = await run(
    `${MAP}  - device: {on: d, do: snapshot, region: b, codes: [WRITE, WRITE, READ, WRITE]}`,
  );
  assert.match(failure(outcome), /snapshot of b on d, page 2: expected READ, got WRITE$/);
});

test("a failing child fails the case", async () => {
  const outcome = await run(`${MAP}  - fork: {child: [{check: {region: b, words: index}}]}`);
  assert.match(failure(outcome), /^2\.child\.1@6 the CPU reads word 1 \(page 0\) of b: expected 1, got 0$/);
});

test("a host that lacks something skips by name and never passes", async () => {
  assert.deepEqual(await run(`${MAP}  - map: {as: h, pages: 512, backing: hugetlb}`), {
    result: "skipped",
    missing: ["hugetlb"],
  });
  const two = readCase("x.yaml", "name: x\ndevices: {a: private, b: private, c: coherent}\nsteps: []");
  assert.ok("steps" in two);
  assert.deepEqual(await runCase(two, new PlainHost()), {
    result: "skipped",
    missing: ["coherent", "2 private devices (the host has 1)"],
  });
});

test("what is wrong inside of the machine fails the step after which it shows", async () => {
  const host = new PlainHost();
  host.wrong = "page 3 has two owners";
  assert.match(failure(await run(MAP, host)), /^1@5 after this step: page 3 has two owners$/);
});

test("a host that throws nonsense fails the case and ends the machine", async () => {
  const host = new PlainHost();
  host.answers.push(() => {
    throw new TypeError("no such thing");
  });
  assert.match(
    failure(await run(`${MAP}  - device: {on: d, do: read, region: b}`, host)),
    /^2@6 TypeError: no such thing/,
  );
  assert.equal(host.log.at(-1), "end");
});
