import assert from "node:assert/strict";
import { test } from "node:test";
import { HmsError } from "@hms/topology";
import fc from "fast-check";
import type { Step, TestCase } from "./case.ts";
import { requirementsOf } from "./needs.ts";
import { readCase } from "./read.ts";

function read(text: string): TestCase {
  const test = readCase("x.yaml", text);
  assert.ok("steps" in test);
  return test;
}

function complaint(text: string): string {
  try {
    readCase("x.yaml", text);
  } catch (error) {
    assert.ok(HmsError.is(error), String(error));
    assert.equal(error.code, "CASE_INVALID");
    assert.equal(error.errno, "EINVAL");
    assert.match(error.message, /^x\.yaml:\d+: [^\n]+$/);
    return error.message;
  }
  return "";
}

const HEAD = "name: x\ndevices: {d0: private}\nsteps:\n  - map: {as: buf, pages: 8}\n";

test("the example of the format reads as it says", () => {
  const example = read(`
name: migrate_fault
needs: [private]                # capabilities; a host that lacks one skips the case and says which
devices: {d0: private}          # opened before the first step: private | coherent
steps:
  - map: {as: buf, pages: 1024, protection: rw}
  - fill: {region: buf, words: index}
  - device: {on: d0, do: migrate-to-device, region: buf, expect: {pages: 1024}, reads: index}
  - check: {region: buf, pages: 512, words: index}
  - device: {on: d0, do: migrate-to-device, region: buf, expect: {pages: 1024}, reads: index}
`);
  assert.equal(example.name, "migrate_fault");
  assert.deepEqual([...example.devices], [["d0", "private"]]);
  assert.deepEqual(
    example.steps.map(({ step, label, line }) => `${label} ${step} ${line}`),
    ["1 map 6", "2 fill 7", "3 device 8", "4 check 9", "5 device 10"],
  );
  const command = example.steps[2];
  assert.ok(command?.step === "device");
  assert.deepEqual(command.expect, { pages: 1024, faults: null, error: null, orErrors: [] });
  assert.deepEqual(requirementsOf(example), {
    capabilities: ["private"],
    devices: { private: 1, coherent: 0 },
  });
});

test("defaults are those of the format", () => {
  const { steps } = read(
    "name: x\nsteps: [{map: {as: b, pages: 3}}, {pin: {region: b}}, {fork: {child: []}}]",
  );
  const [map, pin, fork] = steps;
  assert.ok(map?.step === "map" && pin?.step === "pin" && fork?.step === "fork");
  assert.deepEqual(
    [map.protection, map.share, map.backing, map.huge, map.fileWords, map.at],
    ["rw", "private", { kind: "anonymous" }, false, null, null],
  );
  assert.deepEqual([pin.part, pin.kind, pin.write], [{ region: "b", first: 0, pages: null }, "short", false]);
  assert.deepEqual([fork.parent, fork.ends], [[], "exit"]);
});

test("a repeat's $n is the round, in every kind of value and in the innermost repeat", () => {
  const { steps } = read(`${HEAD}
  - repeat:
      times: 3
      steps:
        - map: {as: b$n, pages: 4, at: {region: buf, first: $n}}
        - repeat: {times: 2, steps: [{fill: {region: buf, first: $n, pages: 1, words: constant:1$n}}]}
        - fill: {region: b$n, words: index+$n}
  - check: {region: b2, words: zero}`);
  const repeat = steps[1];
  assert.ok(repeat?.step === "repeat");
  const flat = repeat.rounds.map((round) => round.map((step) => JSON.stringify(brief(step))));
  assert.deepEqual(flat[2], [
    '["2[2].1","b2",{"region":"buf","first":2}]',
    '[["2[2].2[0].1","buf",0,10],["2[2].2[1].1","buf",1,11]]',
    '["2[2].3","b2",0,2]',
  ]);
});

function brief(step: Step): unknown {
  if (step.step === "map") return [step.label, step.as, step.at];
  if (step.step === "fill") return [step.label, step.part.region, step.part.first, step.words.base];
  return step.step === "repeat" ? step.rounds.flat().map(brief) : step.step;
}

test("what a case uses it also needs", () => {
  const all = read(`
name: x
needs: [swap]
devices: {a: private, b: coherent, c: coherent}
steps:
  - map: {as: f, pages: 1, backing: file, share: shared}
  - map: {as: h, pages: 512, backing: hugetlb}
  - map: {as: m, pages: 1, backing: "device:a"}
  - map: {as: t, pages: 512, huge: true}
  - pin: {region: t}
  - remap: {region: t, to: {as: u}}
  - device: {on: a, do: exclusive, region: u}
  - device: {on: a, do: fail-next-allocation}
  - fork: {child: []}`);
  const { capabilities, devices } = requirementsOf(all);
  const expected = [
    "swap",
    "private",
    "coherent",
    "file",
    "shared",
    "hugetlb",
    "mixedmap",
    "thp",
    "pin",
    "remap",
  ];
  assert.deepEqual(capabilities, [...expected, "exclusive", "inject", "fork"]);
  assert.deepEqual(devices, { private: 1, coherent: 2 });
});

test("a case that needs something unknown is skipped by that name, whatever its steps are", () => {
  const foreign = readCase("x.yaml", "name: far\nneeds: [private, teleport]\nsteps: [{beam: {up: true}}]");
  assert.deepEqual(foreign, { name: "far", file: "x.yaml", foreign: ["teleport"] });
});

// Each complaint is one sentence with the line, the name that was given, the nearest one and what is allowed.
const BAD: readonly (readonly [string, RegExp])[] = [
  ["", /:1: the file is empty/],
  ["- a\n- b", /:1: a case must be a mapping, but is a list/],
  ["name: x\nsteps: [\n", /:\d: not valid YAML: /],
  ["name: x\nname: y\nsteps: []", /:\d: not valid YAML: Map keys must be unique/],
  ["name: x\nsteps: []\n---\nname: y\nsteps: []", /:3: a file holds one case/],
  ["steps: []", /:1: a case lacks the field name/],
  ["name: x", /:1: a case lacks the field steps/],
  ["name: x\nstep: []", /:2: unknown field of a case "step": did you mean "steps"\?/],
  ["name: x\nsteps: 5", /:2: steps must be a list, but is 5/],
  [
    "name: x\ndevices: {d0: privat}\nsteps: []",
    /:2: unknown kind of device d0 "privat": did you mean "private"\?/,
  ],
  [
    "name: x\nsteps:\n  - mapp: {as: b}",
    /:3: unknown step "mapp": did you mean "map"\? \(allowed: map, unmap, /,
  ],
  ["name: x\nsteps:\n  - {map: {as: b, pages: 1}, fill: {}}", /:3: step 1 has a second key "fill"/],
  [
    `${HEAD}  - fill: {region: bfuf, words: index}`,
    /:5: unknown region "bfuf" in step 2: did you mean "buf"\?/,
  ],
  [
    `${HEAD}  - fill: {region: buf, wrds: index}`,
    /:5: unknown field of step fill "wrds": did you mean "words"\?/,
  ],
  [`${HEAD}  - fill: {region: buf}`, /:5: step fill lacks the field words/],
  [
    `${HEAD}  - fill: {region: buf, words: indx}`,
    /:5: unknown pattern of step fill: words "indx": did you mean "index"\?/,
  ],
  [
    `${HEAD}  - fill: {region: buf, words: index, first: 8}`,
    /:5: step 2 names page 8 of region buf, which has 8 pages/,
  ],
  [
    `${HEAD}  - fill: {region: buf, words: index, first: 7, pages: 2}`,
    /:5: step 2 names pages 7 to 8 of region buf/,
  ],
  [
    `${HEAD}  - fill: {region: buf, words: index, first: -1}`,
    /:5: step fill: first must be a whole number from 0 to/,
  ],
  [`${HEAD}  - fill: {region: buf, words: index, first: 1.5}`, /:5: step fill: first must be a whole number/],
  [`${HEAD}  - fill: {region: buf, words: index+$n}`, /:5: step fill: words uses \$n, which only/],
  [
    `${HEAD}  - protect: {region: buf, protection: w}`,
    /:5: unknown step protect: protection "w": .*none, r, rw/,
  ],
  [
    `${HEAD}  - map: {as: x, pages: 1, backing: fil}`,
    /:5: unknown step map: backing "fil": did you mean "file"\?/,
  ],
  [
    `${HEAD}  - map: {as: x, pages: 1, backing: "device:d9"}`,
    /:5: unknown device "d9" in step 2: did you mean "d0"\?/,
  ],
  [`${HEAD}  - map: {as: x, pages: 1, file-words: index}`, /:5: step map: file-words is for backing file/],
  [`${HEAD}  - map: {as: x, pages: 1, huge: yes}`, /:5: step map: huge must be true or false, but is "yes"/],
  [`${HEAD}  - map: {as: x, pages: 9999999}`, /:5: step map: pages must be a whole number from 1 to 1048576/],
  [`${HEAD}  - map: {as: x}`, /:5: step map lacks the field pages/],
  [
    `${HEAD}  - map: {as: x, pages: 3, at: {region: buf, first: 6}}`,
    /:5: step 2 names pages 6 to 8 of region buf/,
  ],
  [
    `${HEAD}  - device: {on: d0, do: reed, region: buf}`,
    /:5: unknown step device: do "reed": did you mean "read"\?/,
  ],
  [
    `${HEAD}  - device: {on: d1, do: read, region: buf}`,
    /:5: unknown device "d1" in step 2: did you mean "d0"\?/,
  ],
  [`${HEAD}  - device: {on: d0, do: read}`, /:5: step device: read lacks the field region/],
  [`${HEAD}  - device: {on: d0, do: release, region: buf}`, /:5: step device: release takes no region/],
  [`${HEAD}  - device: {on: d0, do: write, region: buf}`, /:5: step device: write lacks the field writes/],
  [
    `${HEAD}  - device: {on: d0, do: read, region: buf, writes: zero}`,
    /:5: step device: read stores nothing/,
  ],
  [
    `${HEAD}  - device: {on: d0, do: read, region: buf, expect: {error: EFALT}}`,
    /:5: unknown step device: expect: error "EFALT": did you mean "EFAULT"\?/,
  ],
  [
    `${HEAD}  - device: {on: d0, do: read, region: buf, expect: {error: EFAULT, pages: 1}}`,
    /:5: .*success only/,
  ],
  [
    `${HEAD}  - device: {on: d0, do: snapshot, region: buf, codes: [WRIT], codes-all: true}`,
    /:5: unknown code of step device: codes "WRIT": did you mean "WRITE"\?/,
  ],
  [`${HEAD}  - device: {on: d0, do: snapshot, region: buf, codes: [READ|WRITE]}`, /:5: .*exclude each other/],
  [
    `${HEAD}  - device: {on: d0, do: snapshot, region: buf, codes: [WRITE]}`,
    /:5: step 2 gives 1 codes for 8 pages/,
  ],
  [`${HEAD}  - device: {on: d0, do: snapshot, region: buf, codes-all: true}`, /:5: .*codes-all needs codes/],
  [
    `${HEAD}  - repeat: {times: 0, steps: []}`,
    /:5: step repeat: times must be a whole number from 1 to 10000/,
  ],
  [`${HEAD}  - fork: {child: [{touch: {region: bu}}]}`, /:5: unknown region "bu" in step 2.child.1/],
  [
    `${HEAD}  - advise: {region: buf, advice: pageout}`,
    /:5: .*of the extension "swap"; add swap to the case's needs/,
  ],
  [`${HEAD}  - map: {as: x, pages: 1, backing: dax}`, /:5: .*of the extension "dax"/],
];

for (const [text, pattern] of BAD) {
  test(`refused: ${JSON.stringify(text.replace(HEAD, "…"))}`, () => assert.match(complaint(text), pattern));
}

test("names of a child's regions stay the child's", () => {
  const text = `${HEAD}  - fork: {child: [{map: {as: c, pages: 1}}]}\n  - touch: {region: c}`;
  assert.match(complaint(text), /:6: unknown region "c" in step 3/);
});

test("a case beyond its bounds is refused, not run", () => {
  const deep = "repeat: {times: 9, steps: [{".repeat(9);
  assert.match(
    complaint(`name: x\nsteps:\n  - ${deep}touch: {}${"}]}".repeat(9)}`),
    /nested deeper|at most 100000 steps/,
  );
  const many = `name: x\nsteps: [{repeat: {times: 10000, steps: [${"{fork: {child: []}},".repeat(11)}]}}]`;
  assert.match(complaint(many), /:2: a case has at most 100000 steps/);
  assert.match(complaint(`name: x\n#${"y".repeat(1 << 20)}`), /:1: a case file has at most 1048576 bytes/);
  const bomb = `name: x\nsteps:\n  - &a {repeat: {times: 2, steps: [*a]}}`;
  assert.notEqual(complaint(bomb), "");
});

test("any text is read or refused in one sentence", () => {
  const words = [
    "name",
    "steps",
    "map",
    "as",
    "pages",
    ":",
    "- ",
    "\n",
    "  ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "$n",
    "1",
    "&a",
    "*a",
    "x",
  ];
  const text = fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 3 })), { maxLength: 40 });
  fc.assert(fc.property(text, (parts) => void complaint(parts.join(""))));
});
