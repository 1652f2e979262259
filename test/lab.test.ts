// The tests of test/lab/guest, in guests of the lab: a real kernel with several kinds of memory, under emulation.
import { equal, ok } from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { prepare } from "./lab/setup.ts";

/** All guests together, with a machine that is slower than those it was measured on. */
const LIMIT_MS = 15 * 60_000;

const lab = prepare({ install: false, say: () => undefined });

test("every test of the lab passes in its guests", {
  skip: typeof lab === "string" ? lab : false,
  timeout: LIMIT_MS,
}, async (context) => {
  const args = [new URL("lab/run.ts", import.meta.url).pathname, "--no-install"];
  const run = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"], signal: context.signal });
  let output = "";
  run.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    process.stdout.write(text);
  });
  const code = await new Promise((done) => run.on("close", done));
  const last = /^lab: (\d+) passed, (\d+) failed$/m.exec(output);
  ok(last !== null, "the lab did not come to its end");
  equal(code, 0, last[0]);
  ok(Number(last[1]) > 0);
});
