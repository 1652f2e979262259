// An hms served to another process.
import { deepEqual, equal, ok } from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { probe } from "@hms/host-linux";
import { open } from "hms";

const run = promisify(execFile);
const root = new URL("..", import.meta.url).pathname;
const skip = probe().userfaultfd === "none" ? "needs userfaultfd" : false;

/** What the other process asks, by the interface alone. */
const CLIENT = `
import { asyncClient, CORE, SocketClient } from "@hms/uabi";
const client = asyncClient(CORE, await SocketClient.open(process.argv[1]));
const context = Number(process.argv[2]);
const { statistics } = await client.context.statistics({ context });
const { objects } = await client.context.query();
console.log(JSON.stringify({ faults: statistics.cpuFaults, objects: objects.map(({ name }) => name) }));
process.exit(0);
`;

test("another process looks at an hms through its socket", { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "hms-serve-"));
  const path = join(folder, "socket");
  using hms = await open({ ram: "64MiB" });
  const x = hms.space.alloc(Uint8Array, 1 << 20);
  x.view.fill(1);
  await using server = await hms.serve(path);
  const asks = async (): Promise<{ faults: number; objects: string[] }> => {
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", CLIENT, path, "1"], {
      cwd: root,
    });
    return JSON.parse(stdout) as { faults: number; objects: string[] };
  };
  const { faults, objects } = await asks();
  ok(faults > 0 && faults === hms.statistics().cpuFaults, `${faults} faults`);
  ok(objects.includes("space") && objects.includes("region"), objects.join(" "));
  equal((await asks()).faults, faults);
  ok(server.size <= 1);
  deepEqual([x.view[0], x.view[(1 << 20) - 1]], [1, 1]);
  rmSync(folder, { recursive: true, force: true });
});

test("who is not allowed is told so", { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "hms-serve-"));
  const path = join(folder, "socket");
  using hms = await open({ ram: "64MiB" });
  await using _server = await hms.serve(path, { allow: () => false });
  const failed = await run(process.execPath, ["--input-type=module", "-e", CLIENT, path, "1"], {
    cwd: root,
  }).then(
    () => null,
    (error: { stderr: string }) => error.stderr,
  );
  ok(failed?.includes("NOT_ALLOWED") || failed?.includes("EPERM"), String(failed));
  rmSync(folder, { recursive: true, force: true });
});
