import assert from "node:assert/strict";
import { test } from "node:test";
import { HmsError } from "../../model/error.ts";
import type { FactsDraft } from "../../model/facts-draft.ts";
import { DEPTH_MAX, ELEMENTS_MAX, XML_LENGTH_MAX } from "./parse.ts";
import { readHwlocXml } from "./read.ts";

const HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE topology SYSTEM "hwloc2.dtd">\n';
const ROOT =
  'type="Machine" cpuset="0x3" complete_cpuset="0x7" nodeset="0x1" complete_nodeset="0x1" gp_index="1"';

/** A file with what is given inside the root object and after it. */
function file(inside: string, after = "", head = HEAD): string {
  return `${head}<topology version="2.0"><object ${ROOT}>${inside}</object>${after}</topology>\n`;
}

const NODE =
  '<object type="NUMANode" os_index="0" cpuset="0x3" complete_cpuset="0x3" nodeset="0x1" complete_nodeset="0x1" gp_index="9" local_memory="1024"/>';

function refused(text: string, code: string, sentence: RegExp): void {
  assert.throws(
    () => readHwlocXml(text),
    (error: unknown) => {
      assert.ok(HmsError.is(error), `not an HmsError: ${error}`);
      assert.equal(error.code, code);
      assert.match(error.message, sentence);
      assert.ok(!error.message.includes("\n"), "more than one line");
      assert.match(error.message, /^Read hwloc XML: .*[^.]\.$/);
      assert.ok(error.message.length < 300, error.message);
      return true;
    },
  );
}

function warnings(facts: FactsDraft): string {
  return facts.warnings.map(({ message }) => message).join("\n");
}

test("files of other versions are refused with the way to convert them", () => {
  const version = (v: string): string => file(NODE).replace(' version="2.0"', v);
  refused(version(""), "HWLOC_XML_VERSION", /must be 2, but it has none, as files of version 1 do; convert/);
  refused(version(' version="1.11"'), "HWLOC_XML_VERSION", /is "1.11"; convert it with hwloc 2/);
  refused(version(' version="3.0"'), "HWLOC_XML_VERSION", /is "3.0"; export it as version 2/);
  refused(version(' version="two"'), "HWLOC_XML_VERSION", /is "two"/);
  assert.equal(readHwlocXml(version(' version="2.1"')).nodes.length, 1);
});

test("entities and a DTD inside the file are refused before anything is expanded", () => {
  const laughs = Array.from({ length: 30 }, (_, i) => `<!ENTITY a${i + 1} "&a${i};&a${i};&a${i};&a${i};">`);
  const bomb = `<?xml version="1.0"?><!DOCTYPE topology [<!ENTITY a0 "ha">${laughs.join("")}]>`;
  refused(file('<info name="a" value="&a30;"/>', "", bomb), "HWLOC_XML_INVALID", /DTD of its own/);
  const outside = '<?xml version="1.0"?><!DOCTYPE topology [<!ENTITY x SYSTEM "file:///etc/passwd">]>';
  refused(file('<info name="a" value="&x;"/>', "", outside), "HWLOC_XML_INVALID", /DTD of its own/);
  refused(
    file('<info name="a" value="&nbsp;"/>'),
    "HWLOC_XML_INVALID",
    /line 3, column \d+: it uses an entity/,
  );
  refused(file('<info name="a" value="&toString;"/>'), "HWLOC_XML_INVALID", /uses an entity/);
  assert.equal(readHwlocXml(file('<info name="a" value="&lt;&#65;&#x42;&amp;"/>')).info.a, "<AB&");
});

test("what is not well-formed or not hwloc's is refused with the place", () => {
  refused("", "HWLOC_XML_INVALID", /not well-formed/);
  refused("\0\u0001 garbage", "HWLOC_XML_INVALID", /not well-formed/);
  refused(file(NODE).slice(0, 200), "HWLOC_XML_INVALID", /not well-formed/);
  refused(`${file(NODE)}<again/>`, "HWLOC_XML_INVALID", /not well-formed/);
  refused(file("<object type='PU'></info>"), "HWLOC_XML_INVALID", /line 3, column \d+/);
  refused(file('<object type="PU" type="PU"/>'), "HWLOC_XML_INVALID", /duplicate attribute/);
  refused("<html><body/></html>", "HWLOC_XML_INVALID", /first element is "html"/);
  refused("<topologydiff/>", "HWLOC_XML_INVALID", /first element is "topologydiff"/);
  refused('<topology version="2.0"/>', "HWLOC_XML_INVALID", /one object of type Machine, but holds none/);
  refused('<topology version="2.0"><object type="PU"/></topology>', "HWLOC_XML_INVALID", /holds PU/);
  refused(
    '<topology version="2.0"><object type="Machine"/><object type="Machine"/></topology>',
    "HWLOC_XML_INVALID",
    /holds several/,
  );
  refused(`<${"x".repeat(100_000)}/>`, "HWLOC_XML_INVALID", /first element is "x{40}…"/);
});

test("bounds on length, number and depth", () => {
  refused(" ".repeat(XML_LENGTH_MAX + 1), "HWLOC_XML_TOO_LARGE", /67108865 characters/);
  const open = '<object type="Group">'.repeat(1_000_000);
  refused(`<topology version="2.0">${open}`, "HWLOC_XML_TOO_LARGE", new RegExp(`${DEPTH_MAX} elements one`));
  refused(file('<info name="" value=""/>'.repeat(ELEMENTS_MAX)), "HWLOC_XML_TOO_LARGE", /elements, which/);
});

test("odd values leave a warning and the rest is read", () => {
  const facts = readHwlocXml(
    file(
      `${NODE}${NODE}
      <object type="NUMANode" os_index="7000000" cpuset="0x1"/>
      <object type="Package" os_index="-1" cpuset="garbage" complete_cpuset="0x1">
        <object type="Quark" cpuset="0x1"><object type="Core" os_index="4294967295" cpuset="0x1"/></object>
      </object>
      <object type="L2Cache" cpuset="0x1" cache_size="99999999999999999999"/>
      <object type="Bridge" bridge_type="0-1" depth="0" bridge_pci="0000:[00-00]">
        <object type="PCIDev" pci_busid="zz:00"/><object type="PCIDev" pci_busid="0000:00:01.0" pci_type="?"/>
        <object type="OSDev" osdev_type="77" name="odd"/><object type="OSDev" osdev_type="2"/>
      </object>`,
      `<distances2 type="NUMANode" nbobjs="2" kind="5" name="NUMALatency" indexing="os"><indexes length="4">0 1 </indexes><u64values length="3">10 </u64values></distances2>
       <distances2 type="PU" nbobjs="1" kind="5" name="X" indexing="os"/><distances2hetero nbobjs="2" kind="8" name="XGMIBandwidth"/>
       <memattr name="MyOwn" flags="1"/>
       <memattr name="Bandwidth" flags="5"><memattr_value target_obj_type="NUMANode" target_obj_gp_index="404" value="1" initiator_cpuset="0x1"/></memattr>`,
    ),
  );
  assert.deepEqual(
    facts.nodes.map(({ index, size }) => [index, size]),
    [[0, 1024]],
  );
  assert.deepEqual(
    facts.groups.map(({ type, index, cpus }) => [type, index, cpus.toList()]),
    [
      ["package", null, "0"],
      ["core", null, "0"],
    ],
  );
  assert.deepEqual(
    facts.processors.map(({ index, online, allowed }) => [index, online, allowed]),
    [
      [0, true, true],
      [1, true, true],
      [2, false, true],
    ],
  );
  assert.deepEqual(
    facts.pci.map(({ address, classCode }) => [address, classCode]),
    [["0000:00:01.0", 0]],
  );
  assert.deepEqual(facts.devices, []);
  assert.deepEqual(facts.distances, []);
  const text = warnings(facts);
  for (const part of [
    "NUMANode 0 is there twice",
    "NUMANode 7000000",
    "Quark",
    "cache_size",
    "no PCI address",
    "pci_type",
    "OSDev odd",
    "2 nodes and 1 values are no matrix",
    "distances X",
    "XGMIBandwidth",
    '"MyOwn"',
    "Bandwidth is left out: it names no NUMA node",
  ]) {
    assert.ok(text.includes(part), `no warning about ${part} in:\n${text}`);
  }
});

test("warnings are bounded, info names of objects' inner workings are no danger", () => {
  const odd = '<object type="OSDev" osdev_type="99" name="x"/>'.repeat(5000);
  assert.ok(readHwlocXml(file(odd)).warnings.length <= 100);
  const facts = readHwlocXml(file('<info name="__proto__" value="x"/><info name="constructor" value="y"/>'));
  assert.equal(facts.info.constructor, "y");
  assert.equal(Object.getPrototypeOf(facts.info), Object.prototype);
});

test("kinds of memory come from hwloc's subtypes, and are unknown without one but for a node with CPUs", () => {
  const node = (index: number, rest: string, inside = ""): string =>
    `<object type="NUMANode" os_index="${index}" cpuset="0x3" complete_cpuset="0x3" ${rest}>${inside}</object>`;
  const facts = readHwlocXml(
    file(
      [
        node(0, ""),
        node(1, 'subtype="MCDRAM"'),
        node(2, 'subtype="NVM"'),
        node(3, 'subtype="GPUMemory"'),
        node(4, 'subtype="SPM"'),
        node(5, 'subtype="CXL-DRAM"'),
        node(6, "", '<info name="DAXType" value="NVM"/><info name="DAXDevice" value="dax0.0"/>'),
        node(7, 'subtype="Crystals"'),
        node(8, ""),
      ].join(""),
    ),
  );
  assert.deepEqual(
    facts.nodes.map(({ kind }) => kind.kind),
    ["dram", "hbm", "nvm", "gpu", "unknown", "cxl", "nvm", "unknown", "unknown"],
  );
  assert.match(facts.nodes[1]?.kind.reason ?? "", /MCDRAM/);
  assert.match(facts.nodes[7]?.kind.reason ?? "", /Crystals/);
  // One of the nodes near the CPUs has them: the ordinary one.
  assert.deepEqual(
    facts.nodes.map(({ cpus }) => cpus.size),
    [2, 0, 0, 0, 0, 0, 0, 0, 0],
  );
  assert.ok(facts.nodes.every(({ nearCpus }) => nearCpus.size === 2));
});

test("memory attributes become reaches of the CPUs that they are stated for, the narrowest statement first", () => {
  const value = (node: number, value: number, cpus: string): string =>
    `<memattr_value target_obj_type="NUMANode" target_obj_gp_index="${10 + node}" value="${value}" initiator_cpuset="${cpus}"/>`;
  const node = (index: number, cpus: string, kind = ""): string =>
    `<object type="NUMANode" os_index="${index}" cpuset="${cpus}" complete_cpuset="${cpus}" gp_index="${10 + index}" ${kind}/>`;
  const facts = readHwlocXml(
    file(
      `${node(0, "0x1")}${node(1, "0x2")}${node(2, "0x3", 'subtype="HBM"')}`,
      `<memattr name="Capacity" flags="1"/>
       <memattr name="Bandwidth" flags="5">${value(0, 100, "0x1")}${value(2, 350, "0x3")}${value(2, 400, "0x2")}</memattr>
       <memattr name="ReadBandwidth" flags="5">${value(0, 120, "0x1")}</memattr>
       <memattr name="Latency" flags="6">${value(0, 90, "0x1")}${value(1, 0, "0x2")}</memattr>
       <memattr name="ReadLatency" flags="6">${value(1, 80, "0x2")}</memattr>`,
    ),
  );
  const found = facts.reaches.map(({ initiator, target, properties: p }) => [
    `${initiator} ${target}`,
    p.readBandwidth?.value ?? null,
    p.writeBandwidth?.value ?? null,
    p.readLatency?.value ?? null,
    p.writeLatency?.value ?? null,
  ]);
  assert.deepEqual(found.sort(), [
    ["node0 node0", 120e6, 100e6, 90, 90],
    ["node0 node2", 350e6, 350e6, null, null],
    ["node1 node1", null, null, 80, null],
    ["node1 node2", 400e6, 400e6, null, null],
  ]);
  assert.ok(facts.reaches.every(({ properties: p }) => (p.readBandwidth?.origin ?? "hwloc") === "hwloc"));
  assert.deepEqual(facts.warnings, []);
});

test("devices become initiators, their memory and DAX devices targets", () => {
  const device = (attributes: string, infos: Readonly<Record<string, string>> = {}): string =>
    `<object ${attributes}>${Object.entries(infos)
      .map(([name, value]) => `<info name="${name}" value="${value}"/>`)
      .join("")}</object>`;
  const gpu = (address: string, speed: string, inside: string): string =>
    `<object type="PCIDev" gp_index="${address}" pci_busid="${address}" pci_type="0302 [10de:1234] [0000:0000] a1" pci_link_speed="${speed}">${inside}</object>`;
  const facts = readHwlocXml(
    file(
      `${NODE}
      <object type="NUMANode" os_index="4" cpuset="0x3" complete_cpuset="0x3" subtype="GPUMemory" local_memory="4096" gp_index="44"><info name="PCIBusID" value="0000:02:00.0"/></object>
      <object type="Bridge" bridge_type="0-1" depth="0" bridge_pci="0000:[00-02]" gp_index="50">
        <object type="Bridge" bridge_type="1-1" depth="1" bridge_pci="0000:[01-01]" pci_busid="0000:00:01.0" pci_type="0604 [8086:0000] [0000:0000] 00" pci_link_speed="15.75" gp_index="51">
          ${gpu(
            "0000:01:00.0",
            "31.5",
            `<info name="PCISlot" value="7"/>${device('type="OSDev" name="cuda0" subtype="CUDA" osdev_type="5"', { CUDAGlobalMemorySize: "1024" })}${device('type="OSDev" name="opencl0d0" osdev_type="5"', { OpenCLGlobalMemorySize: "1000" })}`,
          )}
        </object>
        ${gpu("0000:02:00.0", "0.0", device('type="OSDev" name="cuda1" osdev_type="5"', { CUDAGlobalMemorySize: "4" }))}
      </object>
      ${device('type="OSDev" name="dax0.0" subtype="SPM" osdev_type="0"', { DAXType: "SPM", DAXParent: "hmem.0", Size: "2" })}`,
      '<memattr name="ReadBandwidth" flags="5"><memattr_value target_obj_type="NUMANode" target_obj_gp_index="44" value="900000" initiator_obj_gp_index="0000:02:00.0" initiator_obj_type="PCIDev"/></memattr>',
    ),
  );
  assert.deepEqual(warnings(facts), "");
  assert.deepEqual(
    facts.initiatorFacts.map(({ id, type, aliases }) => [id, type, ...aliases]),
    [
      ["0000:01:00.0", "gpu", "cuda0", "opencl0d0"],
      ["0000:02:00.0", "gpu", "cuda1"],
    ],
  );
  // The bridge's link is the narrower one.
  const [attachment] = facts.attachments;
  assert.deepEqual(
    [
      attachment?.near,
      attachment?.properties.readBandwidth?.value,
      attachment?.properties.readBandwidth?.origin,
    ],
    [["node0"], 15.75e9, "hwloc"],
  );
  assert.equal(facts.attachments[1]?.properties.readBandwidth, null);
  assert.deepEqual(
    facts.targetFacts.map(({ id, size, device: of, kind }) => [id, size, of, kind.kind]),
    [
      ["0000:01:00.0/vram", 1024 * 1024, "0000:01:00.0", "gpu"],
      ["dax0.0", 2048, null, "hbm"],
    ],
  );
  assert.equal(facts.pci.find(({ slot }) => slot === "7")?.address, "0000:01:00.0");
  const own = facts.reaches.filter(
    ({ initiator, target }) => initiator === "0000:02:00.0" && target === "node4",
  );
  assert.ok(own.some(({ properties }) => properties.readBandwidth?.value === 900e9));
  assert.ok(own.some(({ properties }) => properties.coherent === true));
});

test("garbage in any place is refused or read, never anything else", () => {
  const good = file(
    `${NODE}<object type="Package" os_index="0" cpuset="0x3"><object type="PU" os_index="0" cpuset="0x1"/></object>`,
    '<memattr name="Latency" flags="6"><memattr_value target_obj_type="NUMANode" target_obj_gp_index="9" value="5" initiator_cpuset="0x1"/></memattr>',
  );
  let seed = 20_240_601;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const junk = [
    "\0",
    "<",
    ">",
    "&",
    '"',
    "=",
    "0x",
    "\ufffd",
    "\ud800",
    "9".repeat(400),
    "]]>",
    "<!--",
    "-1",
    " ",
  ];
  let read = 0;
  for (let i = 0; i < 3000; i++) {
    const at = random(good.length);
    const cut = random(3) === 0 ? random(40) : 0;
    const text = good.slice(0, at) + junk[random(junk.length)] + good.slice(at + cut);
    try {
      readHwlocXml(text);
      read += 1;
    } catch (error) {
      assert.ok(HmsError.is(error), `variant ${i}: ${error}\n${text}`);
    }
  }
  assert.ok(read > 100, `only ${read} variants were read`);
});
