import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { packAll } from "../tools/pack.ts";
import { skip } from "./support/hms-lab.ts";

const scratch = mkdtempSync(join(tmpdir(), "hms-pack-"));
after(() => rmSync(scratch, { recursive: true }));

/** What npm says when there is no registry to ask. */
const OFFLINE = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|ENOTCACHED|network/;

test("the packages as they are published install and run in an empty folder", (context) => {
  const tarballs = packAll(join(scratch, "out"));
  const home = join(scratch, "user");
  const program = join(home, "program.mjs");
  const npm = [
    "install",
    "--prefix",
    home,
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
    "--ignore-scripts",
  ];
  const installed = spawnSync("npm", [...npm, ...tarballs], { encoding: "utf8" });
  if (installed.status !== 0 && OFFLINE.test(installed.stderr))
    return context.skip("no package registry is reachable");
  assert.equal(installed.status, 0, installed.stderr);

  // The command is a link to a script for `node`: the newer Node comes first here as it does with npx.
  const hms = (args: readonly string[]): string => {
    const bin = join(home, "node_modules/@hms/cli/bin/hms.js");
    const done = spawnSync(process.execPath, [bin, ...args], {
      cwd: home,
      encoding: "utf8",
      env: { PATH: process.env.PATH, HOME: home },
    });
    assert.equal(done.status, 0, done.stderr);
    return done.stdout;
  };
  assert.match(hms(["--version"]), /^hms \d/);
  assert.match(hms(["topo"]), /MEMORY/);
  assert.match(hms(["topo", "--input", "xeon-max"]), /HBM/);
  hms(["topo", "--save", "machine.tar.gz"]);
  assert.match(hms(["topo", "--input", "machine.tar.gz", "--format", "hwloc-xml"]), /<topology/);
  assert.match(hms(["pick", "--for", "node0", "--input", "xeon-max", "--format", "json"]), /"targets"/);

  writeFileSync(
    program,
    'import { best, discover } from "@hms/topology";\nconsole.log(best(await discover("xeon-max"), ["node0"]).targets[0].target.id);\n',
  );
  writeFileSync(
    join(home, "uses-hms.mjs"),
    `import { open } from "hms";
     using hms = await open({ ram: "64MiB" });
     const x = hms.space.alloc(Float32Array, 1 << 18, { name: "x" });
     x.view.fill(1);
     const queue = hms.device("accel0").queue();
     await queue.run(({ x }, { first, end }) => { for (let i = first; i < end; i++) x[i] *= 2; }, { x: x.update() });
     console.log(x.view[1000]);\n`,
  );
  if (skip === false)
    assert.match(
      hms(["run", "--device", "accel:memory=8MiB", "uses-hms.mjs"]),
      /^2\n\nMEMORY REPORT[\s\S]*accel0/,
    );

  const ran = spawnSync(process.execPath, [program], { cwd: home, encoding: "utf8" });
  assert.equal(ran.status, 0, ran.stderr);
  assert.match(ran.stdout, /^node\d\n$/);
});
