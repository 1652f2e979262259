// What a program meets whose limits do not allow hms: `open()` rejects with a sentence, and nothing is left behind.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, test } from "node:test";
import { skip } from "./support/hms-lab.ts";

const root = join(import.meta.dirname, "..");

/** A program that says how opening went; `before` runs first. */
const program = (before = "", after = ""): string => `
import { openSync, closeSync, readdirSync } from "node:fs";
import { open } from "hms";
${before}
const say = async () => {
  try {
    using hms = await open({ ram: "16MiB", devices: ["accel:memory=4MiB"], watchdog: 20 });
    const x = hms.space.alloc(Uint32Array, 1 << 20);
    x.view.fill(7);
    return "open " + x.view[4711];
  } catch (error) {
    return error.code + " " + error.errno + " " + error.message;
  }
};
console.log(await say());
${after}
`;

interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function under(limit: string, source: string): Said {
  const line = `${limit} && exec "$@"`;
  const args = ["-c", line, "bash", process.execPath, "--input-type=module", "-e", source];
  const { status, stdout, stderr } = spawnSync("bash", args, {
    cwd: root,
    encoding: "utf8",
    timeout: 60_000,
  });
  return { code: status, stdout: stdout.trim(), stderr };
}

describe("limits of the process", { skip, concurrency: 2 }, () => {
  test("any number of descriptors: hms opens, or says that there are too few", () => {
    const outcomes = new Set<string>();
    // From what the program itself hardly starts with up to what is enough for all of hms.
    for (let most = 24; most <= 56; most += 4) {
      const { code, stdout, stderr } = under(`ulimit -n ${most}`, program());
      // Below some number the runtime cannot read the program's own modules.
      if (stdout === "" && /too many open files|EMFILE/.test(stderr) && outcomes.size === 0) continue;
      assert.equal(code, 0, `${most} descriptors: ${stderr}`);
      if (stdout !== "open 7") assert.match(stdout, /^NO_DESCRIPTOR null .* failed: .*\(ulimit -n\)\.$/);
      outcomes.add(stdout === "open 7" ? "open" : "refused");
    }
    assert.deepEqual([...outcomes], ["refused", "open"]);
  });

  test("descriptors that are there again are enough, and none was left behind", () => {
    const before = `
      const taken = [];
      try { for (;;) taken.push(openSync("/dev/null")); } catch {}
      for (const fd of taken.splice(0, process.env.SPARE)) closeSync(fd);`;
    const after = `
      // Threads that could not be started let go of theirs as they end.
      const count = () => readdirSync("/proc/self/fd").length;
      closeSync(taken.pop());
      let left = count();
      for (let i = 0; i < 50 && left > 65 - process.env.SPARE; i++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        left = count();
      }
      console.log(left);
      for (const fd of taken) closeSync(fd);
      console.log(await say());`;
    for (const spare of [3, 10, 14]) {
      const { code, stdout, stderr } = under(`ulimit -n 64 && export SPARE=${spare}`, program(before, after));
      assert.equal(code, 0, stderr);
      const [first = "", left, again] = stdout.split("\n");
      assert.match(first, /^NO_DESCRIPTOR /, `${spare} to spare: ${stdout}`);
      assert.ok(Number(left) <= 65 - spare, `${left} of 64 descriptors are open, and ${spare} were to spare`);
      assert.equal(again, "open 7");
    }
  });

  test("too few addresses: hms says so", () => {
    // Enough for the runtime, too few for the addresses of pages that wait.
    const { code, stdout, stderr } = under("ulimit -v 16000000", program());
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      /^(open 7|(OUT_OF_MEMORY|NO_KERNEL_THREAD) E(NOMEM|AGAIN) .* failed: .*\(ulimit -v)/,
    );
  });
});
