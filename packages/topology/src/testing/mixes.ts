/** Machines of several nodes, memories and devices at random: what pictures and tables must be able to lay out. */
import fc from "fast-check";
import type { Machine } from "../model/machine.ts";
import { mixedMachine } from "./machine-fixtures.ts";

/** Machines that mix everything which takes room. */
export const arbitraryMix: fc.Arbitrary<Machine> = fc
  .record({
    nodes: fc.integer({ min: 1, max: 12 }),
    cores: fc.integer({ min: 1, max: 40 }),
    distances: fc.array(fc.integer({ min: 11, max: 60 }), { maxLength: 5 }),
    bandwidths: fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 3 }),
    memories: fc.array(
      fc.record({
        near: fc.nat({ max: 20 }),
        kind: fc.constantFrom("hbm", "cxl", "nvm"),
        cached: fc.boolean(),
      }),
      { maxLength: 6 },
    ),
    devices: fc.array(
      fc.record({
        near: fc.nat({ max: 20 }),
        type: fc.constantFrom("gpu", "nic", "accelerator", "block"),
        memory: fc.constantFrom(0, 0, 16, 80),
        bridge: fc.nat({ max: 4 }),
      }),
      { maxLength: 14 },
    ),
    peers: fc.array(fc.constantFrom(0, undefined, 50, 100), { maxLength: 4 }),
  })
  .map(mixedMachine);
