// What hms reads from real machines agrees with what hwloc 2.9 reads from the same files, but for the exceptions
// below, each with its reason. docs/guides/comparing-with-hwloc.md says what is compared.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { discover, discoverLive } from "../packages/topology/src/discover.ts";
import { writeHwlocXml } from "../packages/topology/src/formats/hwloc-xml/write.ts";
import { differences, describe as inWords, summarise } from "../tools/compare-hwloc.ts";
import { hwlocOfCapture, hwlocOfThisMachine, installedHwloc } from "./hwloc-run.ts";

const CAPTURES = join(import.meta.dirname, "../../shared/captures");
const ARCHIVES = join(CAPTURES, "linux");
const EXPECTED = join(CAPTURES, "expected");
const MADE_IN_GUESTS = join(CAPTURES, "vmlab");

/** Items that differ for one reason. */
interface Exception {
  readonly items: readonly string[];
  readonly reason: string;
  /** Environment that makes hwloc say what hms says, if there is one: then that is checked too. */
  readonly hwlocAgreesWith?: Readonly<Record<string, string>>;
}

const V100_NODES = [250, 251, 252, 253, 254, 255];
const POWER9_NODES = [0, 8, ...V100_NODES];

/** By capture. An exception that no longer occurs fails the test. */
const EXCEPTIONS: Readonly<Record<string, readonly Exception[]>> = {
  "2pa-pcidomain32bits": [
    {
      items: ["PCI 10000:00:00.0", "PCI 10000:00:04.0", "OSDev vda"],
      reason:
        "hwloc leaves out PCI functions in domains above ffff unless it was built with 32-bit domains, and so does not know what vda is on",
    },
  ],
  "32em64t-2n8c+dax+nvme+mic+dimms": [
    {
      items: ["PCI 0000:00:11.0"],
      reason:
        "hwloc leaves out a bridge whose bus numbers are all 0, but the function is there and has a driver",
    },
    {
      items: ["OSDev mic0"],
      reason: "hwloc no longer looks for Xeon Phi cards (/sys/class/mic); this one is there with its memory",
    },
  ],
  "64intel64-fakeKNL-SNC4-hybrid": [
    {
      items: [0, 1, 2, 3].map((node) => `MemCache of nodes 0x0000000${2 ** node}`),
      reason:
        "hwloc shows the memory-side cache of Knights Landing as an L3 cache of the CPUs, for the sake of old programs, unless told not to",
      hwlocAgreesWith: { HWLOC_KNL_MSCACHE_L3: "0" },
    },
  ],
  nvidiagpunumanodes: [
    {
      items: [
        ...V100_NODES.map((node) => `NUMANode ${node}`),
        ...POWER9_NODES.flatMap((from) =>
          POWER9_NODES.filter((to) => from > 8 || to > 8).map(
            (to) => `NUMALatency from node ${from} to node ${to}`,
          ),
        ),
      ],
      reason:
        "hwloc hides the memory of NVIDIA GPUs that is NUMA nodes, lest programs that use all nodes near some CPUs fill it; here it is shown, but near no CPUs",
    },
  ],
};

/** Of machines that have no expected file: hwloc's own answer is asked for. */
const EXCEPTIONS_OF_GUESTS: Readonly<Record<string, readonly Exception[]>> = {
  "hetero-full": [
    {
      items: ["NUMANode 2", "PU 0", "Package with CPUs 0x00000001"],
      reason:
        "the node nearest to node 2 (a generic initiator's) has no CPUs, which makes hwloc think that node 2 is near none; the nearest CPUs are known",
    },
  ],
};

/** Fails for each difference that is no exception, and for each exception that is no difference. */
function assertAgreement(expected: string, actual: string, exceptions: readonly Exception[] = []): void {
  const expectedItems = summarise(expected);
  assert.ok(expectedItems.size > 2, "hwloc's file says next to nothing");
  const found = differences(expectedItems, summarise(actual));
  const excepted = new Set(exceptions.flatMap(({ items }) => items));
  const unexpected = found.filter(({ item }) => !excepted.has(item));
  assert.equal(unexpected.map(inWords).join("\n"), "", "what differs");
  const differing = new Set(found.map(({ item }) => item));
  const gone = [...excepted].filter((item) => !differing.has(item));
  assert.deepEqual(gone, [], "exceptions that no longer occur: remove them from the table");
}

async function xmlOf(path: string): Promise<string> {
  return writeHwlocXml(await discover(path));
}

const noCaptures = existsSync(EXPECTED)
  ? false
  : "the captures of real machines (../shared/captures) are not here";
const hwloc = installedHwloc();

describe("captures of real machines", { skip: noCaptures }, () => {
  const names = noCaptures === false ? readdirSync(EXPECTED).filter((name) => name.endsWith(".xml")) : [];
  for (const name of names.map((file) => file.replace(/\.xml$/, ""))) {
    test(name, async () => {
      const expected = readFileSync(join(EXPECTED, `${name}.xml`), "utf8");
      assertAgreement(expected, await xmlOf(join(ARCHIVES, `${name}.tar.bz2`)), EXCEPTIONS[name]);
    });
  }

  test("every exception is about a capture that is there", () => {
    assert.deepEqual(
      Object.keys(EXCEPTIONS).filter((name) => !names.includes(`${name}.xml`)),
      [],
    );
  });

  for (const [name, exceptions] of Object.entries(EXCEPTIONS)) {
    const told = Object.assign({}, ...exceptions.map((e) => e.hwlocAgreesWith ?? {})) as Record<
      string,
      string
    >;
    if (Object.keys(told).length === 0) continue;
    const given = Object.entries(told).map((pair) => pair.join("="));
    test(`${name}, where hwloc is told ${given.join(" ")}`, { skip: hwloc.missing }, async () => {
      const archive = join(ARCHIVES, `${name}.tar.bz2`);
      const stillExcepted = exceptions.filter((e) => e.hwlocAgreesWith === undefined);
      assertAgreement(hwlocOfCapture(archive, told), await xmlOf(archive), stillExcepted);
    });
  }
});

const noGuests = existsSync(MADE_IN_GUESTS) ? hwloc.missing : "../shared/captures/vmlab is not here";

describe("captures of guests made for the purpose, against the installed hwloc", { skip: noGuests }, () => {
  const names =
    noGuests === false ? readdirSync(MADE_IN_GUESTS).filter((name) => name.endsWith(".tar.gz")) : [];
  for (const file of names) {
    test(file, async () => {
      const archive = join(MADE_IN_GUESTS, file);
      const exceptions = EXCEPTIONS_OF_GUESTS[file.replace(/\.tar\.gz$/, "")];
      assertAgreement(hwlocOfCapture(archive), await xmlOf(archive), exceptions);
    });
  }
});

/** Classes of devices that hwloc 2.9 does not look for. */
const NEW_CLASSES: ReadonlySet<string | null> = new Set(["mic", "accel", "uacce", "cxl"]);

test("this machine, against the installed hwloc", { skip: hwloc.missing }, () => {
  const machine = discoverLive();
  const unknownToHwloc = new Set(
    machine.devices.filter((d) => NEW_CLASSES.has(d.kernelClass)).map((d) => `OSDev ${d.name}`),
  );
  const found = differences(summarise(hwlocOfThisMachine()), summarise(writeHwlocXml(machine)));
  const unexpected = found.filter(({ item }) => !unknownToHwloc.has(item));
  assert.equal(unexpected.map(inWords).join("\n"), "", "what differs");
});
