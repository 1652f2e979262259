// The machines of the lab, as data: what QEMU is asked for, and what tests in the guest hold the answers of hms to.

/** What lives in a proximity domain. */
export interface Domain {
  readonly domain: number;
  /** One each; the index is the CPU's number in the guest. */
  readonly cpus: readonly number[];
  /** DRAM of the domain, MiB; 0: none when the guest boots. */
  readonly memoryMib: number;
  /** What the domain is there for, when not for CPUs or DRAM. */
  readonly role?: "nvdimm" | "initiator" | "port";
}

/** What the HMAT says of one initiator and one target. */
export interface Performance {
  readonly initiator: number;
  readonly target: number;
  readonly readLatencyNs: number;
  readonly writeLatencyNs: number;
  readonly readMBps: number;
  readonly writeMBps: number;
}

/** A row of the distance table; the other direction is the same. */
export interface Distance {
  readonly from: number;
  readonly to: number;
  readonly value: number;
}

/** Memory behind CXL. */
export interface CxlDevice {
  readonly id: string;
  readonly kind: "ram" | "pmem";
  readonly memoryMib: number;
  readonly serial: number;
}

/** A machine of the lab. */
export interface LabMachine {
  readonly name: string;
  readonly domains: readonly Domain[];
  /** Names the initiator that a domain is attached to in the HMAT: Linux then looks at no other. */
  readonly attached: ReadonlyMap<number, number>;
  readonly distances: readonly Distance[];
  readonly performance: readonly Performance[];
  /** Cache in front of a domain's memory. */
  readonly cache: { readonly domain: number; readonly mib: number; readonly lineBytes: number };
  readonly nvdimmMib: number;
  readonly cxl: readonly CxlDevice[];
  /** More for the kernel's command line. */
  readonly kernelArguments: string;
  /** The oldest QEMU that can be this machine. */
  readonly qemuMin: readonly [major: number, minor: number];
}

/** MiB of each of the two nodes with CPUs. */
const CPU_NODE_MIB = 768;
/** MiB of the fast and of the slow node. */
const MEMORY_NODE_MIB = 256;
const NVDIMM_MIB = 1024;
const CXL_MIB = 256;

/** What set aside memory for the coherent devices of the kernel's test driver looks like on the command line. */
const SET_ASIDE = "memmap=512M$0x30000000";

type Row = readonly [number, number, number, number, number, number];
const performance = ([initiator, target, readLatencyNs, writeLatencyNs, readMBps, writeMBps]: Row) => ({
  initiator,
  target,
  readLatencyNs,
  writeLatencyNs,
  readMBps,
  writeMBps,
});
const distance = ([from, to, value]: readonly [number, number, number]): Distance => ({ from, to, value });

/** Two nodes with CPUs, a fast one near the first, a slow one with a cache near the second, and an NVDIMM. */
const HMAT: LabMachine = {
  name: "hmat",
  domains: [
    { domain: 0, cpus: [0], memoryMib: CPU_NODE_MIB },
    { domain: 1, cpus: [1], memoryMib: CPU_NODE_MIB },
    { domain: 2, cpus: [], memoryMib: MEMORY_NODE_MIB },
    { domain: 3, cpus: [], memoryMib: MEMORY_NODE_MIB },
    { domain: 4, cpus: [], memoryMib: 0, role: "nvdimm" },
  ],
  attached: new Map([
    [1, 1],
    [2, 0],
    [3, 1],
    [4, 0],
  ]),
  distances: (
    [
      [0, 1, 21],
      [0, 2, 12],
      [0, 3, 31],
      [0, 4, 17],
      [1, 2, 22],
      [1, 3, 17],
      [1, 4, 28],
      [2, 3, 32],
      [2, 4, 19],
      [3, 4, 30],
    ] as const
  ).map(distance),
  performance: (
    [
      [0, 0, 80, 80, 100000, 90000],
      [0, 1, 140, 140, 40000, 38000],
      [0, 2, 60, 60, 400000, 380000],
      [0, 3, 350, 400, 16000, 14000],
      [0, 4, 300, 900, 8000, 2000],
      [1, 0, 140, 140, 40000, 38000],
      [1, 1, 80, 80, 100000, 90000],
      [1, 2, 150, 150, 40000, 38000],
      [1, 3, 250, 300, 30000, 28000],
      [1, 4, 380, 980, 6000, 1800],
    ] as const
  ).map(performance),
  cache: { domain: 3, mib: 64, lineBytes: 64 },
  nvdimmMib: NVDIMM_MIB,
  cxl: [],
  kernelArguments: "",
  qemuMin: [7, 2],
};

/** The same with memory behind CXL, an accelerator that is an initiator, and a port; Linux finds the best initiators. */
const FULL: LabMachine = {
  ...HMAT,
  name: "full",
  domains: [
    ...HMAT.domains,
    { domain: 5, cpus: [], memoryMib: 0, role: "initiator" },
    { domain: 6, cpus: [], memoryMib: 0, role: "port" },
  ],
  attached: new Map(),
  distances: [
    ...HMAT.distances,
    ...(
      [
        [0, 5, 40],
        [1, 5, 45],
        [2, 5, 14],
        [3, 5, 50],
        [4, 5, 45],
        [0, 6, 20],
        [1, 6, 25],
        [2, 6, 32],
        [3, 6, 35],
        [4, 6, 35],
        [5, 6, 50],
      ] as const
    ).map(distance),
  ],
  performance: [
    ...HMAT.performance,
    ...(
      [
        [5, 0, 400, 400, 16000, 15000],
        [5, 1, 450, 450, 12000, 11000],
        [5, 2, 30, 30, 500000, 480000],
        [5, 3, 500, 500, 12000, 11000],
        [5, 4, 600, 1200, 7000, 1600],
        [0, 6, 110, 120, 64000, 60000],
        [1, 6, 160, 170, 32000, 30000],
      ] as const
    ).map(performance),
  ],
  cxl: [
    { id: "cxl-ram", kind: "ram", memoryMib: CXL_MIB, serial: 0x1111 },
    { id: "cxl-pmem", kind: "pmem", memoryMib: CXL_MIB, serial: 0x2222 },
  ],
  qemuMin: [9, 2],
};

/** The first one with memory set aside for the coherent devices of the kernel's test driver. */
const HMM: LabMachine = { ...HMAT, name: "hmm", kernelArguments: SET_ASIDE };

/** By name. A test file in the guest names those it runs on: `// lab: hmat, full`; without a word, hmat. */
export const MACHINES: ReadonlyMap<string, LabMachine> = new Map(
  [HMAT, FULL, HMM].map((machine) => [machine.name, machine]),
);

/**
 * The node number that Linux gives each domain: in the order of the SRAT, where those with CPUs come first, then
 * generic initiators, then memory. A port is no node.
 */
export function nodesOf(machine: LabMachine): Map<number, number> {
  const rank = ({ cpus, role }: Domain) => (cpus.length > 0 ? 0 : role === "initiator" ? 1 : 2);
  const nodes = machine.domains.filter(({ role }) => role !== "port");
  const order = [...nodes].sort((a, b) => rank(a) - rank(b) || a.domain - b.domain);
  return new Map(order.map(({ domain }, node) => [domain, node]));
}
