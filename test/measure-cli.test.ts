import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { Measurements } from "@hms/topology/measured";
import {
  __NR_get_mempolicy,
  __NR_mbind,
  __NR_move_pages,
  __NR_set_mempolicy,
} from "../packages/host-linux/src/sys/abi.generated.ts";
import { hms, launcher, shell } from "./support/hms.ts";

const scratch = mkdtempSync(join(tmpdir(), "hms-measure-"));
after(() => rmSync(scratch, { recursive: true }));
/** Nothing that is kept on this machine counts. */
const env = { XDG_DATA_HOME: join(scratch, "data") };
const SHORT = ["measure", "--quick", "--runs", "1", "--size", "4MiB"];

const noPython = spawnSync("python3", ["--version"]).error === undefined ? false : "python3 is not installed";
/** A folder of its own where this process may mount one over another; else why not. */
const mounts =
  spawnSync("unshare", ["-m", "true"]).status === 0 ? false : "needs rights to mount (unshare -m)";

describe("hms measure", () => {
  const saved = join(scratch, "measured.json");

  test("saves what it found, which topo and pick use when it is named, and show where it is from", () => {
    const run = hms([...SHORT, "--save", saved], { env });
    assert.equal(run.code, 0, run.err);
    assert.match(run.out, /^Reading, GB\/s, .*\n\n +node0/m);
    assert.match(run.out, /^CPU node0 +[\d.]+/m);
    assert.match(run.err, /^Saved: .*measured\.json$/m);
    const { pairs } = JSON.parse(readFileSync(saved, "utf8")) as Measurements;
    assert.ok(pairs.length > 0);
    assert.match(hms(["topo", "--measured", saved], { env }).out, /numbers from measured/);
    assert.match(hms(["pick", "--for", "node0", "--measured", saved], { env }).out, /\(measurement\)/);
    assert.doesNotMatch(hms(["pick", "--for", "node0"], { env }).out, /\(measurement\)/);
    for (const command of ["exec", "move"]) {
      const args = [
        command,
        ...(command === "move" ? [String(process.pid)] : []),
        "--for",
        "node0",
        "--json",
      ];
      const dry = hms([...args, "--dry-run", "--measured", saved], { env });
      assert.match(dry.out, /\(measurement\)/, dry.err);
    }
    assert.equal(hms(["ps", String(process.pid), "--measured", saved], { env }).code, 0);
    // hms/process takes what is kept, unless it is given a machine.
    const kept = join(scratch, "kept");
    mkdirSync(join(kept, "hms"), { recursive: true });
    copyFileSync(saved, join(kept, "hms/measured.json"));
    const program =
      'import { planCommand } from "hms/process"; console.log(planCommand({ for: ["node0"] }).decision.targets[0].why)';
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      encoding: "utf8",
      cwd: import.meta.dirname,
      env: { ...process.env, XDG_DATA_HOME: kept },
    });
    assert.match(stdout, /\(measurement\)/, stderr);
    assert.deepEqual(
      readdirSync(scratch).filter((name) => name.endsWith(".tmp")),
      [],
    );
  });

  test("writes the same as JSON to standard output", () => {
    const run = hms([...SHORT, "--json"], { env });
    assert.equal(run.code, 0, run.err);
    const found = JSON.parse(run.out) as Measurements;
    const before = JSON.parse(readFileSync(saved, "utf8")) as Measurements;
    assert.deepEqual(found.host, before.host);
    assert.deepEqual(Object.keys(found), Object.keys(before));
  });

  test("is found where it is kept, until it is of another machine or is not wanted", { skip: mounts }, () => {
    // Whoever runs this, root or not: the places are folders of this test.
    const line = `unshare -m sh -c '
      mount -t tmpfs none /var/lib && "$0" "$1" ${SHORT.join(" ")} --keep >&2 &&
      "$0" "$1" pick --for node0 && "$0" "$1" pick --for node0 --no-measured &&
      for file in /var/lib/hms/measured.json "$XDG_DATA_HOME"/hms/measured.json; do
        if [ -f "$file" ]; then sed -i s/x86_64/sparc/\\;s/aarch64/sparc/ "$file"; fi
      done && "$0" "$1" pick --for node0' '${process.execPath}' '${launcher}'`;
    const run = shell(line, { env });
    assert.equal(run.code, 0, run.err);
    const [first = "", second = "", third = ""] = run.out.split(/^(?=this machine: memory)/m);
    assert.match(first, /\(measurement\)/);
    assert.doesNotMatch(second, /\(measurement\)/);
    assert.doesNotMatch(third, /\(measurement\)/);
    assert.match(run.err, /measured\.json is not used, since it was measured on another machine: its arch/);
  });

  test("keeps what was there when the disk is full, and leaves nothing half written", {
    skip: mounts,
  }, () => {
    const folder = join(scratch, "small");
    const run = shell(
      `mkdir '${folder}' && unshare -m sh -c '
        mount -t tmpfs -o size=4k none ${folder} && echo before > ${folder}/measured.json &&
        "$0" "$1" ${SHORT.join(" ")} --save ${folder}/measured.json > /dev/null; echo code $?;
        cat ${folder}/measured.json; ls -A ${folder}' '${process.execPath}' '${launcher}'`,
      { env },
    );
    assert.equal(run.out, "code 1\nbefore\nmeasured.json\n");
    assert.match(run.err, /no space is left \(ENOSPC\)/);
    assert.match(hms([...SHORT, "--save", "/dev/full"], { env }).err, /no space is left/);
  });

  test("measures what a node gets from its own memory behind a filter on system calls too", {
    skip: noPython,
  }, () => {
    const calls = [__NR_mbind, __NR_set_mempolicy, __NR_get_mempolicy, __NR_move_pages].join(",");
    const filtered = join(import.meta.dirname, "support/filtered.py");
    const args = [filtered, calls, process.execPath, launcher, ...SHORT, "--json"];
    const run = spawnSync("python3", args, { encoding: "utf8", env: { ...process.env, ...env } });
    assert.equal(run.status, 0, run.stderr);
    const { missing, pairs } = JSON.parse(run.stdout) as Measurements;
    assert.ok(pairs.length > 0);
    for (const { initiator, target } of pairs) assert.equal(initiator, target);
    for (const { initiator, target, why } of missing)
      if (initiator !== null && target !== null) assert.match(why, /mbind answers EPERM/);
  });

  test("saves nothing when it is interrupted", async () => {
    const path = join(scratch, "interrupted.json");
    writeFileSync(path, "before");
    const args = [launcher, "measure", "--runs", "1000", "--size", "4MiB", "--save", path];
    const child = spawn(process.execPath, args, {
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors += text;
    });
    setTimeout(() => child.kill("SIGINT"), 3000);
    const code = await new Promise((done) => child.on("close", done));
    assert.equal(code, 130);
    assert.equal(errors, "hms: Interrupted: nothing is saved.\n");
    assert.equal(readFileSync(path, "utf8"), "before");
  });

  test("says what is wrong before it measures", () => {
    for (const [args, code, says] of [
      [["--runs", "0"], 2, /--runs takes a whole number from 1 to 1000, but got "0"/],
      [["--runs", "many"], 2, /--runs/],
      [["--size", "64"], 2, /the unit is missing/],
      [["--size", "1KiB"], 1, /size must be 4 MiB to 2048 MiB/],
      [["--save", join(scratch, "none/measured.json")], 1, /no such folder/],
      [["--save", saved, "--keep"], 2, /give one/],
      [["--save", "-"], 2, /--json/],
      [["--device", "abacus"], 1, /no driver abacus/],
      [["everything"], 2, /one too many/],
    ] as const) {
      const run = hms(["measure", ...args], { env });
      assert.equal(run.code, code, `${args.join(" ")}: ${run.err}`);
      assert.match(run.err, says);
      assert.equal(run.out, "");
    }
    assert.equal(existsSync(join(scratch, "none")), false);
  });
});

describe("hms topo and hms pick with measurements", () => {
  const other = join(scratch, "other.json");

  test("refuse what is none, or is of another machine", () => {
    const run = hms([...SHORT, "--json"], { env });
    const found = JSON.parse(run.out) as Measurements;
    writeFileSync(other, JSON.stringify({ ...found, host: { ...found.host, architecture: "sparc" } }));
    for (const [args, says, code] of [
      [["--measured", other], /taken on another machine, since its architecture was sparc/, 1],
      [
        ["--measured", join(scratch, "missing.json")],
        /there is no such file; make it with hms measure --save/,
        1,
      ],
      [["--measured", launcher], /it is no JSON, or cut short/, 1],
      [["--measured", scratch], /it is a folder/, 1],
      [["--measured", other, "--no-measured"], /give one/, 2],
      [["--measured", other, "--input", "xeon-max"], /they go with this machine or a capture of it/, 1],
    ] as const) {
      const refused = hms(["topo", ...args], { env });
      assert.equal(refused.code, code, refused.err);
      assert.match(refused.err, says);
      assert.equal(refused.out, "");
    }
  });
});
