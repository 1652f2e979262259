import assert from "node:assert/strict";
import { test } from "node:test";
import { HmsError } from "@hms/topology";
import { PlacementError, REFUSALS_MAX, ReportBuilder } from "./report.ts";

test("counts come in pieces and in any order, and are added up", () => {
  const refusal = { target: "node2", by: "kernel", errno: "ENOMEM", why: "no free page" } as const;
  const builder = new ReportBuilder("preferred", 100)
    .target("node2")
    .placed("node0", 10)
    .wanted("node2", 60)
    .refused({ ...refusal, now: "node0" }, 7)
    .placed("node2", 50)
    .moved("node2", 20)
    .refused({ ...refusal, now: "node1" }, 3)
    .refused({ ...refusal, now: "node0" }, 5)
    .wanted("node2", 40)
    .elsewhere("node1", 30)
    .elsewhere("swap", 0)
    .elsewhere("node1", 10);
  assert.deepEqual(builder.done(), {
    mode: "preferred",
    pages: 100,
    targets: [
      { target: "node2", wanted: 100, placed: 50, moved: 20 },
      { target: "node0", wanted: 0, placed: 10, moved: 0 },
    ],
    refused: [
      {
        target: "node2",
        pages: 15,
        by: "kernel",
        errno: "ENOMEM",
        why: "no free page",
        now: [
          { place: "node0", pages: 12 },
          { place: "node1", pages: 3 },
        ],
      },
    ],
    elsewhere: [{ place: "node1", pages: 40 }],
    satisfied: false,
  });
  assert.deepEqual(JSON.parse(JSON.stringify(builder.done())), builder.done());
});

test("satisfied: all pages are in targets, in turns as many in each as wanted", () => {
  const order = new ReportBuilder("preferred", 10).wanted("a", 10).placed("a", 4).placed("b", 6);
  assert.equal(order.done().satisfied, true);
  const turns = new ReportBuilder("interleave", 10)
    .wanted("a", 5)
    .wanted("b", 5)
    .placed("a", 4)
    .placed("b", 6);
  assert.equal(turns.done().satisfied, false);
  assert.equal(new ReportBuilder("strict", 10).placed("a", 9).done().satisfied, false);
  assert.equal(new ReportBuilder("strict", 0).target("a").done().satisfied, true);
  const refused = { target: "a", by: "cpuset", why: "left out" } as const;
  assert.equal(new ReportBuilder("strict", 0).refused(refused, 0).done().satisfied, false);
});

test("a report is bounded: what is one refusal too many is counted with the last", () => {
  const builder = new ReportBuilder("preferred", 5000);
  for (let page = 0; page < 3000; page++) {
    builder.refused({ target: "a", by: "driver", why: `page ${page}`, now: "host" }, 1);
  }
  const { refused } = builder.done();
  assert.equal(refused.length, REFUSALS_MAX);
  assert.equal(
    refused.reduce((sum, one) => sum + one.pages, 0),
    3000,
  );
});

test("what is no number of pages is a programmer's error", () => {
  for (const pages of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => new ReportBuilder("strict", pages), RangeError);
    assert.throws(() => new ReportBuilder("strict", 1).placed("a", pages), RangeError);
  }
});

test("the error of a placement is an HmsError with its report", () => {
  const report = new ReportBuilder("strict", 1).done();
  const error = new PlacementError("PLACEMENT_REFUSED", "ENOMEM", "Place memory: no room", report);
  assert.ok(HmsError.is(error));
  assert.equal(error.report, report);
  assert.deepEqual([error.code, error.errno], ["PLACEMENT_REFUSED", "ENOMEM"]);
});
