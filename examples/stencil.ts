// Heat that spreads over a plate: a stencil that an accelerator computes, while the CPU looks at the result of every
// tenth step. Run it by
//
//   npx hms run --device accel:memory=16MiB examples/stencil.ts [SIDE] [STEPS]
//
// The CPU never copies anything: it reads the array, and the pages that it looks at come home. The result is compared
// with a plain computation on ordinary arrays: it must be the same, bit for bit.
import { type Access, open } from "hms";

interface Plate {
  readonly from: Float32Array;
  readonly to: Float32Array;
  readonly side: number;
}

/** One step for the rows from first to end - 1. The edge keeps its temperature. */
function spread(
  { from, to, side }: Plate,
  { first, end }: { readonly first: number; readonly end: number },
): void {
  for (let row = Math.max(first, 1); row < Math.min(end, side - 1); row++) {
    for (let at = row * side + 1; at < (row + 1) * side - 1; at++) {
      const around =
        (from[at - 1] ?? 0) + (from[at + 1] ?? 0) + (from[at - side] ?? 0) + (from[at + side] ?? 0);
      to[at] = 0.5 * (from[at] ?? 0) + 0.125 * around;
    }
  }
}

/** A hot spot on a cold plate with a warm upper edge. */
function heat(plate: Float32Array, side: number): void {
  plate.fill(100, 0, side);
  const middle = side >> 1;
  for (let row = middle - (side >> 3); row < middle + (side >> 3); row++)
    plate.fill(1000, row * side + middle - (side >> 3), row * side + middle + (side >> 3));
}

const side = Number(process.argv[2] ?? 1024);
const steps = Number(process.argv[3] ?? 40);
using hms = await open();
const [device] = hms.devices;
if (device === undefined) throw new Error("there is no device: run this by `npx hms run --device accel …`");
const queue = hms.device(device.name).queue();
const plates = ["even", "odd"].map((name) => hms.space.alloc(Float32Array, side * side, { name }));
const [even, odd] = plates;
if (even === undefined || odd === undefined) throw new Error("two plates were made");
for (const plate of plates) heat(plate.view, side);

const started = performance.now();
for (let step = 0; step < steps; step++) {
  const [from, to] = step % 2 === 0 ? [even, odd] : [odd, even];
  const args: { from: Access<Float32Array>; to: Access<Float32Array>; side: number } = {
    from: from.read(),
    to: to.update(),
    side,
  };
  await queue.run(spread, args, { range: { first: 0, end: side } });
  if (step % 10 === 9)
    console.log(`step ${step + 1}: ${(to.view[(side >> 2) * side + (side >> 1)] ?? 0).toFixed(3)}`);
}
console.log(
  `${steps} steps of ${side} × ${side} on ${device.name}: ${Math.round(performance.now() - started)} ms`,
);

const plain = [new Float32Array(side * side), new Float32Array(side * side)] as const;
for (const plate of plain) heat(plate, side);
for (let step = 0; step < steps; step++) {
  const [from, to] = step % 2 === 0 ? plain : [plain[1], plain[0]];
  spread({ from, to, side }, { first: 0, end: side });
}
const [expected, found] = steps % 2 === 0 ? [plain[0], even.view] : [plain[1], odd.view];
const wrong = expected.findIndex((value, at) => value !== found[at]);
if (wrong >= 0) throw new Error(`point ${wrong} is ${found[wrong]}, but should be ${expected[wrong]}`);
console.log(`verified: all ${side * side} points are, bit for bit, those of a plain computation`);
