import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { CORE, extendRegistry, queryRegistry, Service, serveSocket } from "@hms/uabi";
import { hms, launcher, type Run } from "./support/hms.ts";

describe("hms abi", () => {
  test("shows every object and method", () => {
    const { code, out, err } = hms(["abi"]);
    assert.deepEqual([code, err], [0, ""]);
    for (const [object, { methods }] of Object.entries(CORE.objects)) {
      const from = out.indexOf(`\n${object}\n`);
      assert.ok(from > 0, object);
      for (const method of Object.keys(methods))
        assert.match(out.slice(from), new RegExp(`^ {2}[├└]─ ${method}( |$)`, "m"));
    }
    assert.match(out, /^ {2}├─ migrate +space range target \[flags\] → moved left kept$/m);
  });

  test("shows one object, one method with its types, and one type", () => {
    const object = hms(["abi", "queue"]);
    for (const method of Object.keys(CORE.objects.queue.methods))
      assert.ok(object.out.includes(`queue.${method}  method `), method);
    const method = hms(["abi", "queue.create"]).out;
    assert.match(method, /^queue\.create {2}object 5, method 1$/m);
    assert.match(method, /^ +3 {2}\[depth\] +u32, 1 to 65536\./m);
    assert.match(method, /^ring {2}struct$/m);
    assert.match(method, /^ +40 {2}depth +u32\./m);
    assert.match(hms(["abi", "cause"]).out, /^ +14 {2}prefetch /m);
    assert.match(hms(["abi", "explanation"]).out, /^ +13 {2}\[override\] +nested override\./m);
  });

  test("keeps to the width of the terminal", () => {
    for (const name of [[], ["region.create"], ["event"]]) {
      const { out } = hms(["abi", ...name], { env: { COLUMNS: "72" } });
      for (const line of out.split("\n")) assert.ok(line.length <= 72, line);
    }
  });

  test("writes JSON", () => {
    assert.deepEqual(JSON.parse(hms(["abi", "--json"]).out), JSON.parse(JSON.stringify(queryRegistry(CORE))));
    const method = JSON.parse(hms(["abi", "space.advise", "--json"]).out) as {
      name: string;
      attributes: unknown[];
    };
    assert.deepEqual([method.name, method.attributes.length], ["advise", 3]);
  });

  test("says what is not there", () => {
    for (const name of ["spac", "space.migrat", "space.migrate.range", "", "__proto__"]) {
      const { code, err } = hms(["abi", "--", name]);
      assert.equal(code, 2, name);
      assert.match(err, /has no object, method or type/);
    }
    assert.match(hms(["abi", "space.migrat"]).err, /did you mean space\.migrate\?/);
    assert.equal(hms(["abi", "space", "region"]).code, 2);
  });

  test("names the drivers of a service, and shows what they added", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hms-abi-"));
    after(() => rmSync(folder, { recursive: true }));
    const registry = extendRegistry(CORE, {
      name: "mill",
      namespace: 9,
      methods: { device: { grind: { id: 0x0901, doc: "Grinds.", inputs: {}, outputs: {} } } },
    } as const);
    const uid = process.getuid?.() ?? 0;
    await using server = await serveSocket(new Service(registry).on({ device: { grind() {} } }), {
      path: join(folder, "socket"),
      peerCredentials: () => ({ pid: 1, uid, gid: 0 }),
    });
    const { out } = await run(["abi", "--socket", server.path]);
    assert.match(out, /^Ids from 2304 to 2559: mill$/m);
    assert.match(out, /^ {2}└─ grind$/m);
    assert.match(
      (await run(["abi", "--socket", server.path, "device.grind"])).out,
      /object 4, method 2305$/m,
    );
  });

  test("asks a service what it carries out", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hms-abi-"));
    after(() => rmSync(folder, { recursive: true }));
    const service = new Service(CORE).on({ space: { advise() {} } });
    const uid = process.getuid?.() ?? 0;
    await using server = await serveSocket(service, {
      path: join(folder, "socket"),
      // That of the test itself: what the kernel says is tested in uabi-socket.test.ts.
      peerCredentials: () => ({ pid: 1, uid, gid: 0 }),
    });
    const { code, out } = await run(["abi", "--socket", server.path]);
    assert.equal(code, 0);
    assert.match(out, /2 objects, 2 methods/);
    const none = await run(["abi", "--socket", join(folder, "nobody")]);
    assert.equal(none.code, 1);
    assert.match(none.err, /^hms: Connecting to .* failed with ENOENT/);
  });
});

/** Beside this process, which serves. */
function run(args: readonly string[]): Promise<Run> {
  const child = spawn(process.execPath, [launcher, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdout.on("data", (part) => (out += String(part)));
  child.stderr.on("data", (part) => (err += String(part)));
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ code, out, err }));
  });
}
