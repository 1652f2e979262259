import assert from "node:assert/strict";
import { test } from "node:test";
import { advise } from "./advice.ts";
import { duration, times } from "./format.ts";
import { Ledger } from "./ledger.ts";
import {
  makeReport,
  parseRecording,
  type RecordedRegion,
  type Recording,
  type RunInfo,
  renderReportHtml,
  renderReportJson,
  renderReportText,
} from "./mod.ts";
import type { ListedRegion } from "./recording.ts";
import { syntheticRecording } from "./testing/synthetic.ts";

const run: RunInfo = { command: "x.ts", wallNs: 2.6e9, code: 0, signal: null };
const nothing = {
  cpuFaults: 0,
  deviceFaults: 0,
  faultNs: 0,
  toDevice: 0,
  toHost: 0,
  evicted: 0,
  duplicated: 0,
  swappedOut: 0,
  swappedIn: 0,
  droppedClean: 0,
};

function withRegion(region: Partial<RecordedRegion>): Recording {
  const base: RecordedRegion = {
    name: "y",
    address: 4096,
    size: 4 << 20,
    kind: "private",
    gone: false,
    traffic: nothing,
    flows: [],
  };
  return { ...syntheticRecording(), events: [], regions: [{ ...base, ...region }] };
}

test("a region that goes to and fro is told so, with how often CPU faults brought it home", () => {
  const [advice] = advise(
    withRegion({
      traffic: { ...nothing, cpuFaults: 1100, toDevice: 3072, toHost: 3072 },
      flows: [
        { from: "accel0", to: "host", cause: "cpu-fault", duplicate: false, pages: 3072, moves: 1024 },
        { from: "host", to: "accel0", cause: "device-fault", duplicate: false, pages: 3072, moves: 12 },
      ],
    }),
  );
  assert.equal(advice?.kind, "ping-pong");
  assert.match(
    advice?.what ?? "",
    /y was brought home 1,024 times by CPU faults \(12 MiB, all of it 3 times\) while accel0/,
  );
  assert.match(advice?.remedy ?? "", /bind it to host/);
});

test("each kind of trouble has its advice, and what is used once has none", () => {
  const kinds: [Partial<typeof nothing>, string | undefined][] = [
    [{ toDevice: 5000, toHost: 5000, evicted: 4800 }, "too-large"],
    [{ swappedOut: 3000, swappedIn: 2500, cpuFaults: 900 }, "out-of-ram"],
    [{ duplicated: 4096, deviceFaults: 400 }, "duplicates"],
    [{ toDevice: 1000, deviceFaults: 500 }, "device-touches"],
    [{ toHost: 900, cpuFaults: 400 }, "small-touches"],
    [{ toDevice: 1024, deviceFaults: 2, cpuFaults: 4 }, undefined],
    [{}, undefined],
  ];
  for (const [traffic, kind] of kinds)
    assert.equal(
      advise(withRegion({ traffic: { ...nothing, ...traffic } }))[0]?.kind,
      kind,
      JSON.stringify(traffic),
    );
});

test("the text fits its width, and has no control characters but colours that were asked for", () => {
  const report = makeReport(syntheticRecording());
  for (const width of [60, 80, 100, 200]) {
    const text = renderReportText(report, { ...run, command: "a\u001b[2Jb" }, { width });
    for (const line of text.split("\n")) assert.ok([...line].length <= width, `${width}: ${line}`);
    assert.ok(!/[^\P{Cc}\n]/u.test(text));
  }
  assert.ok(renderReportText(report, run, { colour: true }).includes("\u001b[1mMOVES\u001b[0m"));
});

test("the same recording gives the same page, which nothing in it can break", () => {
  const html = renderReportHtml([makeReport(syntheticRecording())], run);
  assert.equal(renderReportHtml([makeReport(syntheticRecording())], run), html);
  assert.ok(!html.includes("<b>&") && html.includes("log &#60;b&#62;&#38;"));
  assert.ok(!/NaN|undefined|Infinity/.test(html));
  const scripts = html.match(/<script/g) ?? [];
  assert.equal(scripts.length, 2);
  assert.match(renderReportHtml([], run), /did not open hms/);
});

test("what was hardly recorded can be rendered too", () => {
  const { timeline, snapshots, ...rest } = syntheticRecording();
  for (const count of [0, 1, 2]) {
    const report = makeReport({
      ...rest,
      ended: rest.opened,
      complete: false,
      timeline: timeline.slice(0, count),
      snapshots: snapshots.slice(0, count),
      regions: [],
      devices: [],
    });
    assert.ok(!/NaN|undefined/.test(renderReportHtml([report], run)));
    assert.match(renderReportText(report, { ...run, code: null, signal: "SIGKILL" }), /killed by SIGKILL/);
  }
});

test("a recording survives being written; what is none is refused", () => {
  const recording = syntheticRecording();
  assert.deepEqual(parseRecording(JSON.stringify(recording), "it"), recording);
  for (const text of ["", "{", "null", "[]", '{"format":"hms-recording","version":2}'])
    assert.throws(() => parseRecording(text, "it"), { code: "BAD_RECORDING", errno: "EINVAL" });
  const json = JSON.parse(renderReportJson([makeReport(recording)], run)) as { contexts: readonly unknown[] };
  assert.equal(json.contexts.length, 1);
});

test("regions that are freed keep what they had, also when others come to their place", () => {
  const ledger = new Ledger([]);
  const entry = (region: number | null, cpuFaults: number): ListedRegion =>
    ({
      name: "x",
      space: 1,
      address: 4096,
      size: 4096,
      kind: "anonymous",
      gone: region === null,
      traffic: { ...nothing, cpuFaults },
      ...(region === null ? {} : { region }),
    }) as unknown as ListedRegion;
  const first = entry(7, 1);
  ledger.update([first]);
  const number = ledger.indexOf(first);
  ledger.update([entry(8, 5), entry(null, 3), entry(null, 2)]);
  const { regions, order } = ledger.list();
  assert.deepEqual(
    regions.map(({ gone, traffic }) => [gone, traffic.cpuFaults]),
    [
      [false, 5],
      [true, 3],
      [true, 2],
    ],
  );
  assert.equal(order[number], 1);
});

test("moves of regions that are not listed are in the totals, and it is said how many those are", () => {
  const recording = syntheticRecording();
  const report = makeReport({ ...recording, regions: recording.regions.slice(0, 1), regionsTotal: 20_000 });
  assert.deepEqual(report.ways, makeReport(recording).ways);
  assert.equal(report.unexplainedPages, makeReport(recording).unexplainedPages);
  assert.match(renderReportText(report, run), /and 19,999 more regions not listed; what moved of them is/);
});

test("what happens again is counted, and leaves room for what else happens", () => {
  const ledger = new Ledger([]);
  const event = (text: number): object => ({
    ...{ when: 7 + text, durationNs: 0, space: 0, first: 0, count: 1 },
    ...{ kind: "override", cause: "override", from: 0, to: 0, who: 0, text },
  });
  const events = [...Array.from({ length: 500 }, () => event(1)), event(2)];
  ledger.tell({
    events,
    names: ["host", "no room", "no right"],
    dropped: 0,
    more: false,
  } as unknown as Parameters<Ledger["tell"]>[0]);
  assert.deepEqual(
    ledger.events.map(({ text, count, when }) => [text, count, when]),
    [
      ["host: no room", 500, 8],
      ["host: no right", 1, 9],
    ],
  );
  const text = renderReportText(makeReport({ ...syntheticRecording(), events: ledger.events }), run);
  assert.match(text, /! host: no room \(500 times\)\n {2}! host: no right\n/);
});

test("a bound on RAM that did not hold has its advice, by what kept pages in RAM", () => {
  const over = (text: string): Recording => {
    const { statistics, ...rest } = syntheticRecording();
    return {
      ...rest,
      statistics: { ...statistics, residentBytesMax: 2 ** 30 },
      events: [{ when: 1e9, kind: "override", text: `host: ${text}`, count: 82 }],
    };
  };
  const [full] = advise(over("the memory budget is exceeded: the disk takes no more pages"));
  assert.equal(full?.kind, "over-budget");
  assert.match(full?.what ?? "", /up to 1 GiB of RAM, more than the 256 MiB/);
  assert.match(full?.remedy ?? "", /`swapMax`.*or allow more RAM/);
  const [pinned] = advise(over("the memory budget is exceeded: pages are pinned or held"));
  assert.match(pinned?.what ?? "", /pinned or held/);
  assert.ok(advise(over("something else")).every(({ kind }) => kind !== "over-budget"));
});

test("what left RAM is told apart from what was written, in words", () => {
  const text = renderReportText(makeReport(syntheticRecording()), run);
  assert.match(text, /disk +117 MiB +left RAM for it \(78\.1 MiB had to be written\), 78\.1 MiB came back/);
});

test("times and counts in words", () => {
  assert.deepEqual([0, 1, 999, 1500, 2.5e6, 1.2345e9, 61e9].map(duration), [
    "0 s",
    "1 ns",
    "999 ns",
    "1.5 µs",
    "2.5 ms",
    "1.23 s",
    "1 min 1 s",
  ]);
  assert.deepEqual([1, 2, 2.7, 12.4, 1024].map(times), [
    "once",
    "twice",
    "2.7 times",
    "12 times",
    "1,024 times",
  ]);
});
