// What the device sources read from real machines, against what hwloc 2.9 reads from the same files, function by
// function and device by device; and AMD's machines against a count of their files.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { SaxesParser } from "saxes";
import { discover } from "../../discover.ts";
import type { OsDevice, PciDevice } from "../../model/facts.ts";
import { parsePciAddress } from "../../model/io-tree.ts";
import { linkBandwidth } from "../pci/link.ts";

const CAPTURES = join(import.meta.dirname, "../../../../../../shared/captures");
const EXPECTED = join(CAPTURES, "expected");

/** hwloc's numbers of kinds of OS devices. */
const OS_DEVICE_KINDS: Readonly<Record<OsDevice["type"], string>> = {
  block: "0",
  gpu: "1",
  network: "2",
  openfabrics: "3",
  dma: "4",
  coprocessor: "5",
  memory: "0",
};
/** What hms tells beside hwloc's. */
const OWN_INFO = /^(Speed|Port\d+Rate|(Visible)?VRAMSize|GTTSize)$/;
const BRIDGE_CLASS = 0x0604;
/** hwloc reads domains of 16 bits. */
const DOMAIN_MAX = 0xffff;

interface Item {
  readonly id: string;
  readonly words: string;
}

/** PCI functions and OS devices of hwloc's XML: one line of text each. */
function expectedItems(xml: string): Item[] {
  const items: { id: string; head: string; info: string[] }[] = [];
  const open: { readonly item: number | null; readonly pci: string }[] = [];
  const parser = new SaxesParser();
  parser.on("opentag", ({ name, attributes: of }) => {
    const above = open.at(-1)?.pci ?? "none";
    const top = open.findLast(({ item }) => item !== null);
    if (name === "info" && top !== undefined) items[top.item ?? 0]?.info.push(`${of.name}=${of.value}`);
    let item: number | null = null;
    let pci = above;
    if (name === "object" && of.pci_busid !== undefined) {
      pci = of.pci_busid;
      const [classCode = "", ids = "", sub = "", revision = ""] = (of.pci_type ?? "").split(" ");
      const bridge = of.type === "Bridge" ? of.bridge_pci?.replace(/^.*\[(.*)\]$/, "$1") : "none";
      // Of a bridge hwloc reads the subsystem from a place that holds none.
      const ofSubsystem = classCode === "0604" ? "" : sub;
      const head = `${classCode} ${ids} ${ofSubsystem} ${revision} below ${above} buses ${bridge} link ${Number(of.pci_link_speed).toFixed(3)}`;
      item = items.push({ id: `PCI ${pci}`, head, info: [] }) - 1;
    } else if (name === "object" && of.type === "OSDev") {
      const head = `kind ${of.osdev_type} subtype ${of.subtype ?? "none"} below ${above}`;
      item = items.push({ id: `OSDev ${of.name}`, head, info: [] }) - 1;
    } else if (name === "object" && of.type !== "Bridge") pci = "none";
    open.push({ item, pci: name === "object" ? pci : above });
  });
  parser.on("closetag", () => {
    open.pop();
  });
  parser.write(xml).close();
  return items.map(({ id, head, info }) => ({ id, words: [head, ...info.sort()].join("; ") }));
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

function pciItem(device: PciDevice): Item {
  const ids = `[${hex(device.vendor, 4)}:${hex(device.device, 4)}]`;
  const sub =
    device.classCode === BRIDGE_CLASS ? "" : `[${hex(device.subVendor, 4)}:${hex(device.subDevice, 4)}]`;
  const { bridge, link } = device;
  const buses = bridge === null ? "none" : `${hex(bridge.secondaryBus, 2)}-${hex(bridge.subordinateBus, 2)}`;
  const rate =
    link === null || link.speedCurrent === null || link.widthCurrent === null
      ? 0
      : linkBandwidth({ speed: link.speedCurrent, width: link.widthCurrent }) / 1e9;
  const head = `${hex(device.classCode, 4)} ${ids} ${sub} ${hex(device.revision, 2)} below ${device.parent ?? "none"} buses ${buses} link ${rate.toFixed(3)}`;
  return {
    id: `PCI ${device.address}`,
    words: device.slot === null ? head : `${head}; PCISlot=${device.slot}`,
  };
}

function osItem(device: OsDevice): Item {
  const head = `kind ${OS_DEVICE_KINDS[device.type]} subtype ${device.subtype ?? "none"} below ${device.pciAddress ?? "none"}`;
  const info = Object.entries(device.info).filter(([key]) => !OWN_INFO.test(key));
  return {
    id: `OSDev ${device.name}`,
    words: [head, ...info.map((pair) => pair.join("=")).sort()].join("; "),
  };
}

/** Functions that hwloc has no place for: of wider domains, and bridges whose buses nobody has set up. */
function isLeftOut({ address, bridge }: PciDevice): boolean {
  const at = parsePciAddress(address);
  assert.ok(at);
  return at.domain > DOMAIN_MAX || (bridge !== null && bridge.secondaryBus <= at.bus);
}

/** Devices that hwloc 2.9 does not look for any more (Xeon Phi), or not yet. */
const NOT_LOOKED_FOR: readonly (string | null)[] = ["mic", "accel", "uacce"];

const skip = existsSync(EXPECTED) ? false : "the captures of real machines (../shared/captures) are not here";

describe("PCI functions and devices of real machines, as hwloc has them", { skip }, () => {
  for (const file of skip === false ? readdirSync(EXPECTED).sort() : []) {
    const name = file.replace(/\.xml$/, "");
    const expected = expectedItems(readFileSync(join(EXPECTED, file), "utf8"));
    if (expected.length === 0) continue;
    test(name, async () => {
      const machine = await discover(join(CAPTURES, "linux", `${name}.tar.bz2`));
      const gone = new Set(machine.pci.filter(isLeftOut).map(({ address }) => address));
      const devices = machine.devices
        .filter(({ kernelClass }) => !NOT_LOOKED_FOR.includes(kernelClass))
        .map((device) => (gone.has(device.pciAddress ?? "") ? { ...device, pciAddress: null } : device));
      const actual = [
        ...machine.pci.filter(({ address }) => !gone.has(address)).map(pciItem),
        ...devices.map(osItem),
      ];
      const lines = (items: readonly Item[]): string[] =>
        items.map((item) => `${item.id}: ${item.words}`).sort();
      assert.deepEqual(lines(actual), lines(expected));
    });
  }
});

const KFD = join(CAPTURES, "kfd");
/** Text of the files in a packed tar archive, by path, read by the simplest means; null when there is no xz. */
function filesIn(archive: string): ReadonlyMap<string, string> | null {
  const unpacked = spawnSync("xz", ["-dc", archive], { maxBuffer: 2 ** 30 });
  if (unpacked.status !== 0) return null;
  const bytes = unpacked.stdout;
  const field = (at: number, length: number): string =>
    bytes.toString("latin1", at, at + length).replace(/\0.*$/s, "");
  const files = new Map<string, string>();
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0; ) {
    const size = Number.parseInt(field(at + 124, 12), 8);
    const prefix = field(at + 345, 155);
    const path = `${prefix === "" ? "" : `${prefix}/`}${field(at, 100)}`;
    if (field(at + 156, 1) === "0") files.set(path, bytes.toString("latin1", at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}

interface CountedLink {
  readonly from: number;
  readonly to: number;
  readonly list: string;
  readonly type: number;
  readonly weight: number;
  readonly flags: number;
  readonly maxMegabytes: number;
}

/** All link files, by their paths alone. */
function countLinks(files: ReadonlyMap<string, string>): CountedLink[] {
  const property = (text: string, key: string): number =>
    Number(new RegExp(`^${key} (\\d+)$`, "m").exec(text)?.[1] ?? Number.NaN);
  return [...files].flatMap(([path, text]) => {
    const match = /nodes\/(\d+)\/(io|p2p)_links\/\d+\/properties$/.exec(path);
    if (match === null) return [];
    assert.equal(property(text, "node_from"), Number(match[1]));
    return [
      {
        from: Number(match[1]),
        to: property(text, "node_to"),
        list: match[2] ?? "",
        type: property(text, "type"),
        weight: property(text, "weight"),
        flags: property(text, "flags"),
        maxMegabytes: property(text, "max_bandwidth"),
      },
    ];
  });
}

const noKfd = existsSync(KFD) ? false : "AMD's captures (../shared/captures/kfd) are not here";

describe("AMD's machines: every agent and link, as counted in the files", { skip: noKfd }, () => {
  for (const file of noKfd === false ? readdirSync(KFD).sort() : []) {
    test(file, async (t) => {
      const files = filesIn(join(KFD, file));
      if (files === null) {
        t.skip("xz is not installed");
        return;
      }
      const machine = await discover(join(KFD, file));
      const agents = [...files.keys()].filter((path) => /nodes\/\d+\/properties$/.test(path));
      assert.equal(machine.kfdAgents.length, agents.length);
      assert.ok(agents.length >= 10);

      const counted = countLinks(files);
      const line = (link: CountedLink): string => Object.values(link).join(" ");
      const kept = machine.kfdLinks.map(
        (link): CountedLink => ({
          from: link.from,
          to: link.to,
          list: link.list,
          type: link.linkType,
          weight: link.weight ?? Number.NaN,
          flags: link.flags,
          maxMegabytes: (link.bandwidthMax ?? 0) / 1e6,
        }),
      );
      assert.deepEqual(kept.map(line).sort(), counted.map(line).sort());
      for (const { flags, enabled, coherent } of machine.kfdLinks) {
        assert.equal(enabled, flags % 2 === 1);
        assert.equal(coherent, (flags >> 1) % 2 === 0);
      }

      const gpus = machine.initiators.filter((one) => one.class === "gpu");
      const cpus = machine.initiators.filter((one) => one.class === "cpu");
      assert.equal(gpus.length + cpus.length, agents.length);
      assert.equal(new Set(machine.initiators.map(({ id }) => id)).size, agents.length);
      assert.equal(machine.targets.length, agents.length);
      // Every enabled link to a GPU is a way to its memory, and no pair without one has a way.
      const targetOf = new Map(machine.kfdAgents.map(({ node, initiator }) => [node, initiator]));
      const wanted = new Set(
        counted
          .filter(({ flags, to }) => flags % 2 === 1 && targetOf.get(to)?.startsWith("node") === false)
          .map(({ from, to }) => `${targetOf.get(from)} ${targetOf.get(to)}/vram`),
      );
      for (const { id } of gpus) wanted.add(`${id} ${id}/vram`);
      const initiators = new Map(machine.initiators.map((one) => [one.uid, one.id]));
      const targets = new Map(machine.targets.map((one) => [one.uid, one.id]));
      const reached = new Set(
        machine.links.flatMap((link) =>
          link.initiators.flatMap((from) =>
            link.targets
              .map((to) => `${initiators.get(from)} ${targets.get(to)}`)
              .filter((pair) => pair.endsWith("/vram")),
          ),
        ),
      );
      assert.deepEqual([...reached].sort(), [...wanted].sort());
    });
  }
});
