import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { hms, shell } from "./support/hms.ts";
import { machineFiles, writeFiles } from "./support/machine-files.ts";

const scratch = mkdtempSync(join(tmpdir(), "hms-cli-"));
const capture = join(scratch, "capture");
before(() => writeFiles(capture, machineFiles()));
after(() => rmSync(scratch, { recursive: true }));

describe("hms", () => {
  test("says what it is, and ends with wrong usage when nothing is asked", () => {
    assert.match(hms(["--version"]).out, /^hms \d+\.\d+\.\d+\n$/);
    const help = hms(["--help"]);
    assert.equal(help.code, 0);
    assert.match(help.out, /Usage: hms COMMAND[\s\S]*topo[\s\S]*pick[\s\S]*Examples:/);
    assert.equal(hms(["help"]).out, help.out);
    const nothing = hms([]);
    assert.deepEqual([nothing.code, nothing.out, nothing.err], [2, "", help.out]);
    assert.equal(hms(["help", "topo"]).out, hms(["topo", "--help"]).out);
  });

  test("ends with 2 and one sentence for wrong usage, naming what was probably meant", () => {
    for (const [args, pattern] of [
      [["tpo"], /Command "tpo" is not known \(did you mean topo\?\); see `hms --help`/],
      [["help", "tpo"], /did you mean topo/],
      [
        ["topo", "--fromat", "json"],
        /Option --fromat is not known \(did you mean --format\?\); see `hms topo --help`/,
      ],
      [["topo", "--format", "jsn"], /takes text, json, .* but got "jsn" \(did you mean json\?\)/],
      [["topo", "--format"], /--format needs a value/],
      [["topo", "--format", "--matrix"], /--format needs a value/],
      [["topo", "--format=json", "--format=svg"], /--format is given twice/],
      [["topo", "--matrix=yes"], /--matrix takes no value/],
      [["topo", "extra"], /Argument "extra" is one too many/],
      [["topo", "--by", "latency"], /--by needs --matrix/],
      [["topo", "--matrix", "--format", "svg"], /--matrix writes text or json/],
      [["topo", "--save", "x.tar.gz", "--input", "y"], /--save stands alone, but --input is given too/],
      [["topo", "--save", "x.zip"], /ends in \.tar\.gz/],
      [["--nothing"], /Option --nothing is not known/],
      [["pick"], /--for is required/],
      [["pick", "--for", "node0,,node1"], /names with commas between/],
      [["pick", "--for", "node0", "--size", "lots"], /--size: expected a size/],
      [["pick", "--for", "node0", "--count", "0"], /whole number from 1, but got "0"/],
      [["pick", "--for", "node0", "--by", "size"], /takes bandwidth, latency, capacity/],
    ] as const) {
      const { code, out, err } = hms(args);
      assert.equal(code, 2, args.join(" "));
      assert.equal(out, "", args.join(" "));
      assert.match(err, pattern);
      assert.equal(err.trimEnd().split("\n").length, 1, err);
    }
  });
});

describe("hms topo", () => {
  test("shows a machine in each format, and each is what it says", () => {
    const formats: Readonly<Record<string, RegExp>> = {
      text: /^capture {2}· {2}Linux 6\.12\.0[\s\S]*HBM[\s\S]*node2-3/,
      json: /^\{\n {2}"schema": "urn:hms:schema:topology-1"/,
      svg: /^<\?xml[\s\S]*<svg[\s\S]*<\/svg>\s*$|^<svg[\s\S]*<\/svg>\s*$/,
      dot: /^(di)?graph [\s\S]*\}\s*$/,
      "hwloc-xml": /^<\?xml[\s\S]*<topology version="2\.0">[\s\S]*<\/topology>\s*$/,
      yaml: /^hms-spec: 1\n|\nhms-spec: 1\n/,
    };
    for (const [format, pattern] of Object.entries(formats)) {
      const { code, out } = hms(["topo", "--input", capture, "--format", format]);
      assert.equal(code, 0, format);
      assert.match(out, pattern, format);
      assert.ok(!out.includes("\x1b"), format);
    }
  });

  test("writes to a file what it would write out, the format told by its name", () => {
    const run = (name: string): string => {
      const path = join(scratch, name);
      const { code, out, err } = hms(["topo", "--input", "xeon-max", "--output", path]);
      assert.deepEqual([code, out, err], [0, "", ""]);
      return readFileSync(path, "utf8");
    };
    assert.equal(run("m.json"), hms(["topo", "--input", "xeon-max", "--format", "json"]).out);
    assert.match(run("m.svg"), /<svg/);
    assert.match(run("m.yml"), /hms-spec: 1/);
    assert.match(run("m.unknown"), /MEMORY/);
    // JSON, XML and YAML that were written are inputs again.
    const again = hms(["topo", "--input", join(scratch, "m.json"), "--format", "json"]);
    assert.equal(again.out, run("m.json"));
    assert.match(hms(["topo", "--input", join(scratch, "m.yml")]).out, /HBM/);
  });

  test("writes a file as a whole or not at all", () => {
    const folder = join(scratch, "output");
    mkdirSync(folder);
    const path = join(folder, "m.json");
    writeFileSync(path, "before");
    chmodSync(path, 0o640);
    const link = join(folder, "link.json");
    symlinkSync("m.json", link);
    assert.equal(hms(["topo", "--input", capture, "--output", link]).code, 0);
    assert.match(readFileSync(path, "utf8"), /^\{/);
    assert.equal(statSync(path).mode & 0o777, 0o640);
    assert.deepEqual(readdirSync(folder).sort(), ["link.json", "m.json"]);
    // A failure in reading leaves what was there.
    writeFileSync(path, "before");
    assert.equal(hms(["topo", "--input", "/no/such/thing", "--output", path]).code, 1);
    assert.equal(readFileSync(path, "utf8"), "before");
    for (const [output, pattern] of [
      [join(folder, "none/m.json"), /there is no folder .*none; make it first/],
      [join(path, "m.json"), /is no folder/],
      [folder, /it is a folder/],
    ] as const) {
      const { code, err } = hms(["topo", "--input", capture, "--output", output]);
      assert.equal(code, 1);
      assert.match(err, pattern);
      assert.equal(err.trimEnd().split("\n").length, 1, err);
    }
    assert.equal(hms(["topo", "--input", capture, "--output", "/dev/null"]).code, 0);
    assert.ok(statSync("/dev/null").isCharacterDevice());
    assert.match(hms(["topo", "--input", capture, "--output", "/dev/full"]).err, /no space is left/);
  });

  test("shows the matrix as text and as JSON", () => {
    const text = hms(["topo", "--input", capture, "--matrix", "--by", "latency"]);
    assert.equal(text.code, 0);
    assert.match(text.out, /node0/);
    const { out } = hms(["topo", "--input", capture, "--matrix", "--format", "json"]);
    const matrix = JSON.parse(out) as {
      readonly by: string;
      readonly targets: readonly string[];
      readonly cells: readonly {
        readonly initiator: string;
        readonly target: string;
        readonly bandwidth: number | null;
      }[];
    };
    assert.equal(matrix.by, "bandwidth");
    assert.ok(matrix.targets.includes("node4"));
    const cell = matrix.cells.find((one) => one.initiator === "node0" && one.target === "node2");
    assert.equal(cell?.bandwidth, 800e9);
    // The memory of a GPU that the CPUs cannot map has no cell with them.
    assert.ok(!matrix.cells.some((one) => one.initiator === "node0" && one.target === "0000:c1:00.0/vram"));
  });

  test("colours only on a terminal, unless told", () => {
    const coloured = (args: readonly string[], env: NodeJS.ProcessEnv = {}): boolean =>
      hms(["topo", "--input", capture, ...args], { env }).out.includes("\x1b[");
    assert.equal(coloured([]), false);
    assert.equal(coloured(["--color", "always"]), true);
    assert.equal(coloured(["--colour=always"], { NO_COLOR: "1" }), true);
    assert.equal(coloured([], { FORCE_COLOR: "1" }), true);
    assert.equal(coloured(["--no-color"], { FORCE_COLOR: "1" }), false);
    assert.ok(hms(["--color", "always", "topo", "--input", capture]).out.includes("\x1b["));
    const terminal = (line: string): string =>
      shell(
        `command -v script >/dev/null || exit 7; script -qec "${process.execPath} packages/cli/bin/hms.js ${line}" /dev/null`,
        {
          env: { TERM: "xterm-256color" },
        },
      ).out;
    const shown = terminal(`topo --input ${capture}`);
    if (shown === "") return;
    assert.ok(shown.includes("\x1b["));
    assert.ok(!terminal(`topo --no-color --input ${capture}`).includes("\x1b["));
  });

  test("ends quietly when its reader goes away, and loudly when it cannot write", () => {
    const piped = shell(`set -o pipefail; hms topo --input ${capture} --format json | head -1`);
    assert.deepEqual([piped.code, piped.out, piped.err], [0, "{\n", ""]);
    const full = shell(`hms topo --input ${capture} > /dev/full`);
    assert.equal(full.code, 1);
    assert.match(full.err, /^hms: Write to standard output: it failed with ENOSPC\.\n$/);
  });

  test("saves this machine to an archive that opens as it", () => {
    const path = join(scratch, "saved.tar.gz");
    const saved = hms(["topo", "--save", path]);
    assert.equal(saved.code, 0, saved.err);
    assert.match(saved.err, /^Saved \d+ files of this machine \(\d+ KiB\): /);
    assert.equal(saved.out, "");
    assert.ok(existsSync(path));
    const nodes = (args: readonly string[]): unknown => {
      const { nodes } = JSON.parse(hms(["topo", "--format", "json", ...args]).out) as {
        readonly nodes: readonly { readonly index: number; readonly size: number }[];
      };
      return nodes.map(({ index, size }) => ({ index, size }));
    };
    assert.deepEqual(nodes(["--input", path]), nodes([]));
  });

  test("writes its warnings where the format has no place for them", () => {
    const broken = join(scratch, "broken");
    writeFiles(broken, {
      ...machineFiles(),
      "sys/devices/system/node/node1/distance": "ten and \x1b[31m more\n",
    });
    const { code, err } = hms(["topo", "--input", broken, "--format", "hwloc-xml"]);
    assert.equal(code, 0);
    assert.match(err, /hms: warning: sys\/devices\/system\/node\/node1\/distance /);
    assert.ok(!err.includes("\x1b"), "what a file holds must not command the terminal");
    const text = hms(["topo", "--input", broken]);
    assert.equal(text.err, "");
    assert.match(text.out, /node1\/distance/);
    assert.ok(!text.out.includes("\x1b"));
  });

  test("every example of the help works", () => {
    const folder = mkdtempSync(join(scratch, "examples-"));
    for (const command of ["topo", "pick"]) {
      const lines = hms([command, "--help"]).out.split("\n");
      const from = lines.indexOf("Examples:") + 1;
      const examples = lines
        .slice(from, lines.indexOf("", from))
        .map((line) => line.trim().split(/ {2,}/)[0] ?? "")
        .filter((line) => line.startsWith("hms "));
      assert.ok(examples.length >= 4, command);
      for (const example of examples) {
        const { code, err } = shell(example, { cwd: folder });
        assert.equal(code, 0, `${example}: ${err}`);
      }
    }
    assert.deepEqual(readdirSync(folder).sort(), ["machine.json", "machine.svg", "machine.tar.gz"]);
  });
});
