// Writes the WebAssembly of the loops that `hms measure` times: packages/hms/src/measure/kernels.generated.ts
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import wabt from "wabt";

const root = resolve(import.meta.dirname, "..");
const FILE = join(root, "packages/hms/src/measure/kernels.generated.ts");

const VECTOR_BYTES = 16;
/** Bytes of one round of each loop: what is read, written or copied is a multiple of STEP_BYTES (two rounds of one). */
const ROUND_BYTES = 256;
const VECTORS = ROUND_BYTES / VECTOR_BYTES;
/** Sums that do not wait for each other. */
const SUMS = 8;
/** Loads of one round of the chase. */
const LOADS = 16;
/** Characters of a line of the file. */
const LINE = 100;

const times = (count: number, text: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => text(i)).join("\n    ");

/** Two streams, from the start and from the middle: processors fetch ahead in several places, but not across pages. */
const READ = `
  (func (export "read") (param $at i32) (param $bytes i32) (result i64)
    (local $half i32) (local $end i32) ${times(SUMS, (i) => `(local $sum${i} v128)`)}
    (local.set $half (i32.shr_u (local.get $bytes) (i32.const 1)))
    (local.set $end (i32.add (local.get $at) (local.get $half)))
    (loop $round
    ${times(VECTORS / 2, (i) => sum((2 * i) % SUMS, i, "(local.get $at)"))}
    ${times(VECTORS / 2, (i) => sum((2 * i + 1) % SUMS, i, "(i32.add (local.get $at) (local.get $half))"))}
    (local.set $at (i32.add (local.get $at) (i32.const ${ROUND_BYTES / 2})))
    (br_if $round (i32.lt_u (local.get $at) (local.get $end))))
    ${times(SUMS - 1, (i) => `(local.set $sum0 (v128.xor (local.get $sum0) (local.get $sum${i + 1})))`)}
    (i64.xor (i64x2.extract_lane 0 (local.get $sum0)) (i64x2.extract_lane 1 (local.get $sum0))))`;

function sum(to: number, vector: number, at: string): string {
  const load = `(v128.load offset=${vector * VECTOR_BYTES} ${at})`;
  return `(local.set $sum${to} (v128.xor (local.get $sum${to}) ${load}))`;
}

const WRITE = `
  (func (export "write") (param $at i32) (param $bytes i32) (param $value i32)
    (local $end i32) (local $vector v128)
    (local.set $vector (i32x4.splat (local.get $value)))
    (local.set $end (i32.add (local.get $at) (local.get $bytes)))
    (loop $round
    ${times(VECTORS, (i) => `(v128.store offset=${i * VECTOR_BYTES} (local.get $at) (local.get $vector))`)}
    (local.set $at (i32.add (local.get $at) (i32.const ${ROUND_BYTES})))
    (br_if $round (i32.lt_u (local.get $at) (local.get $end)))))`;

const COPY = `
  (func (export "copy") (param $to i32) (param $from i32) (param $bytes i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $to) (local.get $bytes)))
    (loop $round
    ${times(VECTORS, (i) => `(v128.store offset=${i * VECTOR_BYTES} (local.get $to) (v128.load offset=${i * VECTOR_BYTES} (local.get $from)))`)}
    (local.set $to (i32.add (local.get $to) (i32.const ${ROUND_BYTES})))
    (local.set $from (i32.add (local.get $from) (i32.const ${ROUND_BYTES})))
    (br_if $round (i32.lt_u (local.get $to) (local.get $end)))))`;

/** What the runtime does with these is to call the C library. */
const LIBRARY = `
  (func (export "libraryWrite") (param $at i32) (param $bytes i32) (param $value i32)
    (memory.fill (local.get $at) (local.get $value) (local.get $bytes)))
  (func (export "libraryCopy") (param $to i32) (param $from i32) (param $bytes i32)
    (memory.copy (local.get $to) (local.get $from) (local.get $bytes)))`;

/** Each load has its address from the one before it. */
const CHASE = `
  (func (export "chase") (param $at i32) (param $loads i32) (result i32)
    (loop $round
    ${times(LOADS, () => "(local.set $at (i32.load (local.get $at)))")}
    (local.set $loads (i32.sub (local.get $loads) (i32.const ${LOADS})))
    (br_if $round (i32.gt_s (local.get $loads) (i32.const 0))))
    (local.get $at))`;

/** The file as it has to be. */
export async function kernelsFile(): Promise<string> {
  const text = `(module (memory (import "measure" "memory") 1 65536 shared)${READ}${WRITE}${COPY}${LIBRARY}${CHASE})`;
  const { parseWat } = await wabt();
  const module = parseWat("kernels.wat", text, { simd: true, bulk_memory: true, threads: true });
  const base64 = Buffer.from(module.toBinary({}).buffer).toString("base64");
  module.destroy();
  const lines = base64.match(new RegExp(`.{1,${LINE}}`, "g")) ?? [];
  return `// Made by tools/measure-kernels.ts, which has it in words. Not to be changed by hand.

/** Bytes that one round of the loops takes: sizes are to be multiples of it. */
export const ROUND_BYTES = ${ROUND_BYTES};
/** Loads that one round of the chase does: counts are to be multiples of it. */
export const ROUND_LOADS = ${LOADS};

/** The module, in base64. */
export const KERNELS: string = [
${lines.map((line) => `  "${line}",`).join("\n")}
].join("");
`;
}

if (import.meta.main) writeFileSync(FILE, await kernelsFile());
