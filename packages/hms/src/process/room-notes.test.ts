import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "node:test";
import { decide, NO_LIMITS, type PlacementRequest } from "@hms/policy";
import { discover } from "@hms/topology";
import { roomNotes } from "./room-notes.ts";

const machine = await discover("machine:xeon-max");
const GIB = 2 ** 30;
/** Four nodes, of which these have so much free. */
const limits = {
  ...NO_LIMITS,
  freeBytes: new Map([
    [0, 12 * GIB],
    [1, 4 * GIB],
    [2, GIB],
    [3, GIB / 2],
  ]),
};
const notes = (
  request: PlacementRequest,
  placing: "starting" | "moving" = "starting",
  memory: { readonly group: string; readonly leftBytes: number } | null = null,
): string => roomNotes(decide(machine, request, limits), { placing, memory }).join(" ");

test("room that is there, or that nobody asked for, is not spoken of", () => {
  deepEqual(
    [
      notes({ targets: ["node2"] }),
      notes({ targets: ["node2"], size: GIB }),
      notes({ targets: ["node0", "node2"], size: 13 * GIB, mode: "interleave" }),
      notes({ for: ["node0"], size: 13 * GIB }),
    ],
    ["", "", "", ""],
  );
});

test("room that is not there: what was wanted, what is free, and what becomes of the rest", () => {
  const wanted = "Room for 2 GiB was asked for, but node2 has 1 GiB free; ";
  const request = { targets: ["node2"], size: 2 * GIB };
  equal(notes(request), `${wanted}what does not fit goes to node0, node1, node3.`);
  equal(notes(request, "moving"), `${wanted}what does not fit stays where it is.`);
  equal(
    notes({ targets: ["node2", "node3"], size: 18 * GIB, mode: "interleave" }),
    "Room for 18 GiB was asked for, but node2, node3 have 1.5 GiB free; there is not enough for the rest in other memory either (node0, node1: 16 GiB).",
  );
  match(
    notes({ for: ["node0"], size: 1024 * GIB }),
    /^Room for 1 TiB .* have 17.5 GiB free; there is no other/,
  );
});

test("a memory limit counts for what is started", () => {
  const memory = { group: "/jobs", leftBytes: GIB / 2 };
  equal(
    notes({ targets: ["node2"], size: GIB }, "starting", memory),
    "Room for 1 GiB was asked for, but the memory limit of /jobs leaves 512 MiB.",
  );
});
