// lab: hmat, full
// The machine is the one that QEMU was asked for: else no other test here means anything.
import { deepEqual, equal } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { machine, nodeOf } from "./machine.ts";

const read = (path: string): string => readFileSync(`/sys/devices/system/node/${path}`, "utf8").trim();

test("the guest runs as root on the lab's kernel", () => {
  equal(process.getuid?.(), 0);
  equal(process.env.HMS_LAB, machine.name);
});

test("nodes, their CPUs and their distances are the command line's", () => {
  for (const { domain, cpus, memoryMib } of machine.domains) {
    if (memoryMib === 0) continue;
    const node = nodeOf(domain);
    equal(read(`node${node}/cpulist`), cpus.join(","));
    const row = read(`node${node}/distance`).split(/\s+/).map(Number);
    const online = read("online")
      .split(",")
      .flatMap((part) => {
        const [first = 0, last = first] = part.split("-").map(Number);
        return Array.from({ length: last - first + 1 }, (_, i) => first + i);
      });
    const wanted = new Map(
      machine.distances.flatMap(({ from, to, value }) => {
        if (from !== domain && to !== domain) return [];
        const other = machine.nodes[from === domain ? to : from];
        return other === undefined ? [] : [[other, value] as const];
      }),
    );
    deepEqual(
      row,
      online.map((other) => (other === node ? 10 : wanted.get(other))),
      `node ${node}`,
    );
  }
});

test("the HMAT is there", () => {
  equal(readFileSync("/sys/firmware/acpi/tables/HMAT").subarray(0, 4).toString(), "HMAT");
});
