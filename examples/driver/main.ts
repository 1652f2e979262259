// The scratchpad at work: one array, a CPU and a device that take turns at it, and where its pages are meanwhile.
import { errnoName } from "@hms/hmm";
import { ModelHost } from "@hms/host-model";
import { Scratchpad, ScratchpadView } from "./scratchpad.ts";

const host = new ModelHost();
const program = host.createProcess();
const pad = new Scratchpad(host.core, "pad0", "private", 64);
const view = new ScratchpadView(pad, program.space);

const first = program.mmap({ pages: 8 });
program.write(first, 0, new Uint8Array(8 * 4096).fill(40));
host.core.migrate({ space: program.space, first, count: 6, to: pad.memory });
for (let page = first; page < first + 8; page++) {
  const errno = view.increase(page, 2);
  if (errno !== 0) throw new Error(`the device failed with ${errnoName(errno)}`);
}
const bytes = new Uint8Array(3 * 4096);
program.read(first, 0, bytes);
const right = bytes.every((byte) => byte === 42);
process.stdout.write(`the CPU reads ${bytes[0]}, ${right ? "as it should" : "WRONG"}\n`);
for (const run of host.core.explain(program.space, first, 8)) {
  process.stdout.write(
    `pages ${run.first - first} to ${run.first - first + run.count - 1}: ${run.where}, by ${run.cause}, from ${run.from}\n`,
  );
}
if (!right) process.exitCode = 1;
