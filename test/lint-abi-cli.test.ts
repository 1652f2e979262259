import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { scratchFolder } from "../packages/lint/src/testing/header-trees.ts";
import { hms } from "./support/hms.ts";

const scratch = scratchFolder({
  "v1/device.h": `#define DEVICE_START 1
#define DEVICE_STOP 2
struct request { unsigned int flags; unsigned int reserved; };
enum state { IDLE, BUSY };
`,
  "v2/device.h": `#define DEVICE_START 1
#define DEVICE_STOP 3
struct request { unsigned int flags; unsigned int queue; };
enum state { IDLE, BUSY, DEAD };
`,
  "empty/README": "",
});
after(() => scratch[Symbol.dispose]());
const at = (name: string): string => join(scratch.path, name);
const [v1, v2] = [at("v1"), at("v2")];

test("what breaks whom, with the lines, and exit code 1", () => {
  const { code, out, err } = hms(["lint", "abi", v1, v2, "--arch", "x86_64"]);
  assert.equal(err, "");
  assert.equal(code, 1);
  assert.equal(
    out.replace(v1, "v1").replace(v2, "v2"),
    `v1 (1 headers) → v2 (1 headers), for x86_64

breaks binaries: 1
  device.h
    2 → 2  DEVICE_STOP: 2 became 3
        Programs built against the old headers have 2 in them, which is another thing or nothing now.

risk: 1
  device.h
    3 → 3  struct request: reserved: queue (offset 4, 4 bytes) stands where reserved was reserved; nothing in the old header says that it had to be zero
        Programs built against the old headers may pass any bytes there, which mean something now, unless the old kernel refused what was not zero.

In short:
       1  breaks binaries  value-changed: A constant has another value.
       1  risk             reserved-used-without-zero-rule: A reserved field took on a meaning, and nothing said that it must be zero before.
       1  compatible       added: Something is new.
`,
  );
});

test("nothing that breaks is exit code 0; --strict takes a risk for a break", () => {
  assert.equal(hms(["lint", "abi", v1, v1]).code, 0);
  assert.match(hms(["lint", "abi", v1, v1]).out, /Nothing changed/);
  const baseline = at("baseline.json");
  assert.equal(hms(["lint", "abi", v1, v2, "--write-baseline", baseline]).code, 0);
  assert.ok(existsSync(baseline));
  assert.match(readFileSync(baseline, "utf8"), /"name": "DEVICE_STOP"/);
  const known = hms(["lint", "abi", v1, v2, "--baseline", baseline, "--strict"]);
  assert.equal(known.code, 0, known.out);
  assert.match(known.err, /2 findings are in the baseline/);
});

test("JSON and SARIF are read by programs", () => {
  const json = JSON.parse(hms(["lint", "abi", v1, v2, "--format", "json"]).out) as {
    format: string;
    findings: { name: string }[];
  };
  assert.equal(json.format, "hms-abi-1");
  assert.ok(json.findings.some(({ name }) => name === "DEVICE_STOP"));
  const sarif = JSON.parse(hms(["lint", "abi", v1, v2, "--format", "sarif"]).out) as { version: string };
  assert.equal(sarif.version, "2.1.0");
});

test("wrong usage and odd input are one sentence", () => {
  const wrong: readonly (readonly [readonly string[], number, RegExp])[] = [
    [["lint", "abi", v1], 2, /OLD and NEW are needed/],
    [["lint", "abi", v1, v2, v2], 2, /one too many/],
    [["lint", "abi", v1, at("empty")], 1, /no file that ends in \.h/],
    [["lint", "abi", v1, at("nothing")], 1, /neither a path nor a revision/],
    [["lint", "abi", v1, v2, "--arch", "vax"], 1, /"vax" is no machine that is known/],
    [["lint", "abi", v1, v2, "--baseline", at("v1/device.h")], 1, /Read the baseline/],
  ];
  for (const [args, code, message] of wrong) {
    const answer = hms(args);
    assert.equal(answer.code, code, args.join(" "));
    assert.match(answer.err, message);
    assert.equal(answer.out, "");
  }
});

test("a workspace of packages is told by its package.json", () => {
  const workspace = {
    "ws/package.json": '{"name": "root", "workspaces": ["packages/*"]}',
    "ws/packages/a/package.json": '{"name": "a", "exports": "./mod.ts"}',
    "ws/packages/a/mod.ts": "export const used = 1;\nexport const lonely = 2;\n",
    "ws/packages/b/package.json": '{"name": "b", "exports": {}}',
    "ws/packages/b/mod.ts": 'import { used } from "a";\nused;\n',
  };
  scratch.write(workspace);
  const { code, out } = hms(["lint", "exports", at("ws")]);
  assert.equal(code, 1);
  assert.match(out, /used by nobody: 1\n {2}packages\/a\/mod\.ts:2 {2}lonely \(value, a, not released yet\)/);
  assert.match(hms(["lint", "exports", at("ws"), "--why", "used"]).out, /packages\/b\/mod\.ts:1 {2}code/);
  const kernel = hms(["lint", "exports", at("ws"), "--plan"]);
  assert.deepEqual([kernel.code, /--plan is for a kernel tree/.test(kernel.err)], [2, true]);
  const baseline = at("ws-baseline.json");
  assert.equal(hms(["lint", "exports", at("ws"), "--write-baseline", baseline]).code, 0);
  assert.equal(hms(["lint", "exports", at("ws"), "--baseline", baseline]).code, 0);
});
