import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { GONE, HELD, MOVED, STAY } from "@hms/host-linux/numa";
import { type Decision, decide, type Mode } from "@hms/policy";
import { discover, IndexSet } from "@hms/topology";
import fc from "fast-check";
import { MovePass, type PassPages } from "./move-pass.ts";

const machine = await discover("machine:xeon-max");
const NODES = [0, 1, 2, 3];
const PAGE = 4096;
const [EACCES, EBUSY, ENOMEM, ENODEV, ESRCH] = [13, 16, 12, 19, 3];

/** What the kernel answers, decided beforehand. */
interface Kernel {
  /** Pages that each node takes before it is full. */
  readonly free: number[];
  /** What single pages meet, by their place: MOVED, HELD, EACCES, EBUSY, or GONE meanwhile. */
  readonly hindrances: readonly number[];
  /** Whole calls for a node that are refused. */
  readonly refuses: ReadonlyMap<number, number>;
}

/** Pages of a process as `ProcessPages` shows them, in batches, moved by a kernel of the test's. */
class FakePages implements PassPages {
  count = 0;
  refusedNode: number = STAY;
  readonly size: Int32Array<ArrayBuffer>;
  readonly from: Int32Array<ArrayBuffer>;
  readonly to: Int32Array<ArrayBuffer>;
  readonly now: Int32Array<ArrayBuffer>;
  readonly hindrance: Int32Array<ArrayBuffer>;
  /** Where each page is, of all batches. */
  readonly where: number[];
  readonly #batch: number;
  readonly #kernel: Kernel;
  #first = 0;
  calls = 0;

  constructor(where: readonly number[], batch: number, kernel: Kernel) {
    this.where = [...where];
    this.#batch = batch;
    this.#kernel = kernel;
    const array = () => new Int32Array(batch);
    [this.size, this.from, this.to, this.now, this.hindrance] = [array(), array(), array(), array(), array()];
  }

  addressOf(i: number): number {
    return (this.#first + i) * PAGE;
  }

  next(): number {
    this.#first += this.count;
    this.count = Math.min(this.#batch, this.where.length - this.#first);
    for (let i = 0; i < this.count; i++) {
      this.size[i] = 1;
      this.from[i] = this.now[i] = this.where[this.#first + i] ?? 0;
      this.to[i] = STAY;
      this.hindrance[i] = MOVED;
    }
    return this.count;
  }

  forecast(): void {
    for (let i = 0; i < this.count; i++) if (this.to[i] !== STAY) this.now[i] = this.to[i] ?? 0;
  }

  move(): number {
    ok(++this.calls < 10_000, "it comes to an end");
    const { free, hindrances, refuses } = this.#kernel;
    for (const node of NODES) {
      for (let i = 0; i < this.count; i++) {
        if (this.to[i] !== node || this.now[i] === node) continue;
        const refused = refuses.get(node);
        if (refused !== undefined) {
          this.refusedNode = node;
          return -refused;
        }
        const page = this.#first + i;
        const met = hindrances[page % hindrances.length] ?? MOVED;
        const full = (free[node] ?? 0) <= 0;
        this.hindrance[i] = met === GONE - 10 ? 2 : met !== MOVED ? met : full ? ENOMEM : MOVED;
        if (met === GONE - 10) this.now[i] = GONE;
        if (this.hindrance[i] !== MOVED) continue;
        free[node] = (free[node] ?? 0) - 1;
        this.now[i] = node;
        this.where[page] = node;
      }
    }
    return 0;
  }
}

const GOES = GONE - 10;
const kernels = fc.record({
  free: fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 4, maxLength: 4 }),
  hindrances: fc.array(fc.constantFrom(MOVED, MOVED, MOVED, HELD, EACCES, EBUSY, GOES), {
    minLength: 1,
    maxLength: 20,
  }),
  refuses: fc
    .dictionary(fc.constantFrom("0", "1", "2", "3"), fc.constantFrom(EACCES, ENODEV), { maxKeys: 2 })
    .map((all) => new Map(Object.entries(all).map(([node, errno]) => [Number(node), errno]))),
});
const wheres = fc.array(fc.constantFrom(...NODES), { maxLength: 120 });
const targets = fc.shuffledSubarray([...NODES], { minLength: 1 });
const modes = fc.constantFrom<Mode[]>("preferred", "strict", "interleave", "weighted");

function decided(mode: Mode, nodes: readonly number[]): Decision {
  const weights = mode === "weighted" ? { weights: nodes.map((node) => node + 1) } : {};
  return decide(machine, { targets: nodes.map((node) => `node${node}`), mode, ...weights });
}

function runThrough(pass: MovePass): void {
  while (pass.next(false) > 0) ok(true);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

test("whatever the kernel answers, every page is counted once, where it is, and what is not right has a reason", () => {
  fc.assert(
    fc.property(
      kernels,
      wheres,
      targets,
      modes,
      fc.integer({ min: 1, max: 40 }),
      (kernel, where, nodes, mode, batch) => {
        const pages = new FakePages(where, batch, { ...kernel, free: [...kernel.free] });
        const decision = decided(mode, nodes);
        const pass = new MovePass(pages, {
          decision,
          from: null,
          shared: false,
          dryRun: false,
          roomBytes: () => 50 * PAGE,
        });
        runThrough(pass);
        const report = pass.tally.report(machine, decision, pass.assigner, false);
        const placed = sum(report.targets.map((one) => one.placed));
        equal(placed + sum(report.elsewhere.map((one) => one.pages)), report.pages);
        equal(sum(report.targets.map((one) => one.wanted)), report.pages);
        for (const { target, placed: count } of report.targets) {
          const node = Number(target.slice(4));
          const gone = where.length - report.pages;
          const there = pages.where.filter((one) => one === node).length;
          ok(count <= there && count >= there - gone, `${target} ${count} ${there} ${gone}`);
        }
        for (const refusal of report.refused) equal(sum(refusal.now.map((one) => one.pages)), refusal.pages);
        if (!report.satisfied && report.pages > 0) ok(sum(report.refused.map((one) => one.pages)) > 0);
      },
    ),
  );
});

test("with room and no hindrance all go where they were wanted, in the order of the list", () => {
  fc.assert(
    fc.property(wheres, targets, modes, (where, nodes, mode) => {
      const kernel = { free: [999, 999, 999, 999], hindrances: [MOVED], refuses: new Map<number, number>() };
      const pages = new FakePages(where, 16, kernel);
      const decision = decided(mode, nodes);
      const pass = new MovePass(pages, {
        decision,
        from: null,
        shared: false,
        dryRun: false,
        roomBytes: () => 2 ** 40,
      });
      runThrough(pass);
      const report = pass.tally.report(machine, decision, pass.assigner, false);
      ok(report.satisfied, JSON.stringify(report));
      deepEqual(report.refused, []);
      if (mode === "preferred" || mode === "strict") ok(pages.where.every((node) => node === nodes[0]));
    }),
  );
});

test("a dry run says what the real one does, and moves nothing", () => {
  fc.assert(
    fc.property(wheres, targets, modes, fc.integer({ min: 0, max: 80 }), (where, nodes, mode, room) => {
      const reports = [true, false].map((dryRun) => {
        const kernel = {
          free: [999, 999, 999, 999],
          hindrances: [MOVED],
          refuses: new Map<number, number>(),
        };
        const pages = new FakePages(where, 200, kernel);
        const decision = decided(mode, nodes);
        const options = {
          decision,
          from: IndexSet.of([0, 1, 3]),
          shared: false,
          dryRun,
          roomBytes: () => room * PAGE,
        };
        const pass = new MovePass(pages, options);
        runThrough(pass);
        if (dryRun) deepEqual(pages.where, where);
        return pass.tally.report(machine, decision, pass.assigner, false);
      });
      deepEqual(reports[0], reports[1]);
    }),
  );
});

test("a process that ends is a negative errno, and what was done before is in the report", () => {
  const kernel = { free: [99, 99, 99, 99], hindrances: [MOVED], refuses: new Map([[2, ESRCH]]) };
  const pages = new FakePages([0, 0, 0, 1], 2, kernel);
  const decision = decided("preferred", [2]);
  const pass = new MovePass(pages, {
    decision,
    from: null,
    shared: false,
    dryRun: false,
    roomBytes: () => 2 ** 30,
  });
  equal(pass.next(false), -ESRCH);
  const { targets: placed, refused } = pass.tally.report(machine, decision, pass.assigner, false);
  deepEqual([placed, refused], [[{ target: "node2", wanted: 2, placed: 0, moved: 0 }], []]);
});

test("interrupted: pages that are not come to are counted where they are", () => {
  const kernel = { free: [99, 99, 99, 99], hindrances: [MOVED], refuses: new Map<number, number>() };
  const pages = new FakePages([0, 0, 2, 1, 0, 2], 2, kernel);
  const decision = decided("preferred", [2]);
  const pass = new MovePass(pages, {
    decision,
    from: null,
    shared: false,
    dryRun: false,
    roomBytes: () => 2 ** 30,
  });
  equal(pass.next(false), 1);
  equal(pass.next(true), 1);
  equal(pass.next(true), 1);
  const report = pass.tally.report(machine, decision, pass.assigner, false);
  deepEqual(
    [pass.tally.notReached, report.pages, report.targets[0]?.placed, report.targets[0]?.moved],
    [2, 6, 4, 2],
  );
});
