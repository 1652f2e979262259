import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { discover, HmsError, type Machine } from "@hms/topology";
import { hms, root, shell } from "./support/hms.ts";
import { type Files, machineFiles, writeFiles } from "./support/machine-files.ts";

const scratch = mkdtempSync(join(tmpdir(), "hms-input-"));
const capture = join(scratch, "capture");
before(() => writeFiles(capture, machineFiles()));
after(() => rmSync(scratch, { recursive: true }));

const shared = join(root, "../shared/captures");

function tar(args: readonly string[]): boolean {
  return spawnSync("tar", args).status === 0;
}

/** Targets and their sizes: what must be the same however a machine was opened. */
function summary(machine: Machine): unknown {
  return machine.targets.map(({ id, size, kind }) => [id, size, kind.kind]);
}

async function failure(input: string): Promise<HmsError> {
  try {
    await discover(input);
  } catch (error) {
    if (HmsError.is(error)) return error;
    throw error;
  }
  throw new Error(`${input} was opened`);
}

describe("an input", () => {
  test("is a capture at the top of a folder, one or two folders down, or in any archive", async () => {
    const expected = summary(await discover(capture));
    const down = join(scratch, "down");
    mkdirSync(join(down, "name"), { recursive: true });
    writeFiles(join(down, "name/fsroot"), machineFiles());
    writeFileSync(join(down, "name/README"), "beside it");
    assert.deepEqual(summary(await discover(down)), expected);
    assert.deepEqual(summary(await discover(join(down, "name"))), expected);
    for (const [name, flags] of [
      ["a.tar", "-cf"],
      ["a.tar.gz", "-czf"],
      ["a.tar.bz2", "-cjf"],
      ["a.tar.xz", "-cJf"],
    ] as const) {
      const path = join(scratch, name);
      if (!tar([flags, path, "-C", scratch, "capture"])) continue;
      assert.deepEqual(summary(await discover(path)), expected, name);
      // What it is is told by its content, not by its name.
      copyFileSync(path, join(scratch, "nameless"));
      assert.deepEqual(summary(await discover(join(scratch, "nameless"))), expected, name);
      const deep = join(scratch, `deep-${name}`);
      tar([flags, deep, "-C", down, "name"]);
      assert.deepEqual(summary(await discover(deep)), expected, deep);
    }
  });

  test("is AMD's topology alone, as it lies below /sys/class/kfd", async () => {
    const nodes = "sys/class/kfd/kfd/topology";
    const files: Files = {};
    for (const [path, entry] of Object.entries(machineFiles()))
      if (path.startsWith(nodes)) files[path.slice(nodes.length + 1)] = entry;
    writeFiles(join(scratch, "kfd/topology"), files);
    for (const folder of ["kfd", "kfd/topology"]) {
      const machine = await discover(join(scratch, folder));
      assert.ok(
        machine.targets.some((target) => target.kind.kind === "gpu" && target.size === 68702699520),
        folder,
      );
    }
  });

  test("is a document, a shipped machine, a spec in one line, or what comes in by a pipe", () => {
    const json = hms(["topo", "--input", capture, "--format", "json"]).out;
    for (const format of ["hwloc-xml", "yaml", "json"]) {
      const path = join(scratch, `document-${format}`);
      writeFileSync(path, hms(["topo", "--input", capture, "--format", format]).out);
      assert.match(hms(["topo", "--input", path]).out, /HBM/, format);
    }
    assert.match(hms(["topo", "--input", "-"], { input: json }).out, /HBM/);
    assert.match(
      hms(["topo", "--input", "-"], { input: gzipSync(readFileSync(join(scratch, "a.tar"))) }).out,
      /HBM/,
    );
    assert.match(shell(`hms topo --input <(cat ${join(scratch, "document-json")})`).out, /HBM/);
    for (const machine of ["xeon-max", "machine:xeon-max"])
      assert.match(hms(["topo", "--input", machine]).out, /HBM/, machine);
    assert.match(hms(["topo", "--input", "node:2{cpus=4,hbm=16GiB@400GB/s/100ns}"]).out, /HBM/);
  });

  test("that cannot be opened is one sentence with a stable code", async () => {
    const text = join(scratch, "letter.txt");
    writeFileSync(text, "Dear mother,\nhow are you?\n");
    const gz = join(scratch, "letter.gz");
    writeFileSync(gz, gzipSync("Dear mother"));
    const empty = join(scratch, "empty");
    writeFileSync(empty, "");
    const folder = join(scratch, "nothing");
    mkdirSync(folder);
    const several = join(scratch, "several");
    writeFiles(join(several, "one"), { "sys/devices/x": "" });
    writeFiles(join(several, "two"), { "sys/devices/x": "" });
    const cut = join(scratch, "cut.tar.gz");
    writeFileSync(cut, readFileSync(join(scratch, "a.tar.gz")).subarray(0, 40));
    for (const [input, code, errno, pattern] of [
      ["/no/such/capture", "INPUT_NOT_FOUND", "ENOENT", /no such file or folder; give a capture/],
      ["xeon-mxa", "INPUT_NOT_FOUND", "ENOENT", /did you mean the machine xeon-max\?/],
      ["", "INPUT_NOT_FOUND", "ENOENT", /no such file/],
      ["a\0b", "INPUT_NOT_FOUND", "ENOENT", /no such file/],
      ["x".repeat(10_000), "INPUT_NOT_FOUND", "ENOENT", /no such file/],
      [text, "INPUT_NOT_UNDERSTOOD", "EINVAL", /none of them/],
      [gz, "INPUT_NOT_UNDERSTOOD", "EINVAL", /gzip, but what is inside is no tar archive/],
      [empty, "INPUT_NOT_UNDERSTOOD", "EINVAL", /it is empty/],
      [process.execPath, "INPUT_NOT_UNDERSTOOD|INPUT_TOO_LARGE", "E", /binary|more than 64 MiB/],
      [folder, "INPUT_NO_CAPTURE", "EINVAL", /give the folder that holds sys\/ and proc\//],
      [several, "INPUT_AMBIGUOUS", "EINVAL", /2 captures \(one, two\); give one of them/],
      [cut, "ARCHIVE_DAMAGED|INPUT_NOT_UNDERSTOOD", "E", /./],
      ["node:2{cpus=4,dram=64}", "SPEC_INVALID", "EINVAL", /64/],
    ] as const) {
      const error = await failure(input);
      assert.match(error.code, new RegExp(`^(${code})$`), error.message);
      assert.match(error.errno ?? "", new RegExp(`^${errno}`));
      assert.match(error.message, pattern);
      assert.ok(!error.message.includes("\n") && error.message.length < 12_000, error.message);
    }
  });

  test("that may not be read says so", {
    skip: process.getuid?.() === 0 ? "root may read everything" : false,
  }, async () => {
    const secret = join(scratch, "secret.json");
    writeFileSync(secret, "{}");
    chmodSync(secret, 0);
    assert.equal((await failure(secret)).code, "INPUT_UNREADABLE");
  });

  test("in a document of another version, or with entities, is refused in one sentence", () => {
    const json = hms(["topo", "--input", capture, "--format", "json"]).out;
    const xml = hms(["topo", "--input", capture, "--format", "hwloc-xml"]).out;
    for (const [name, content, pattern] of [
      ["newer.json", json.replace('"version": 1', '"version": 99'), /version 99/],
      ["cut.json", json.slice(0, json.length / 2), /cut short/],
      ["other.json", '{"hello": "world"}', /schema/],
      ["old.xml", xml.replace('version="2.0"', 'version="1.0"'), /version/],
      ["newer.xml", xml.replace('version="2.0"', 'version="3.0"'), /version/],
      ["cut.xml", xml.slice(0, xml.length / 2), /./],
      [
        "bomb.xml",
        '<?xml version="1.0"?>\n<!DOCTYPE topology [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\n<topology version="2.0">&b;</topology>',
        /DTD|entit/i,
      ],
      ["newer.yaml", "hms-spec: 99\nnodes: []\n", /99/],
      ["alias.yaml", "hms-spec: 1\na: &a [1]\nnodes: *a\n", /./],
    ] as const) {
      const path = join(scratch, name);
      writeFileSync(path, content);
      const { code, out, err } = hms(["topo", "--input", path]);
      assert.equal(code, 1, name);
      assert.equal(out, "", name);
      assert.match(err, pattern, name);
      assert.equal(err.trimEnd().split("\n").length, 1, err);
    }
  });

  test("is each of the captures of real machines, packed as it is", {
    skip: spawnSync("test", ["-d", shared]).status === 0 ? false : "../shared/captures is absent",
  }, async () => {
    for (const [path, nodes] of [
      ["linux/64amd64-4p2n4ca2co.tar.bz2", 8],
      ["linux/16amd64-8n2c.tar.bz2", 8],
      ["kfd/mi210.tar.xz", 2],
    ] as const)
      assert.equal((await discover(join(shared, path))).nodes.length, nodes, path);
  });
});
