import type { Nanoseconds } from "@hms/hmm";
import { type KernelLimits, readLimits } from "@hms/host-linux/numa";
import { type Limits, limitsFrom } from "@hms/policy";
import {
  IndexSet,
  type Initiator,
  type Link,
  type LinkProperties,
  type Machine,
  type Target,
} from "@hms/topology";
import { discoverMeasured } from "@hms/topology/measured";
import type { Machine as Accelerator } from "../objects.ts";
import { FILE, HOST } from "./place.ts";

/** One call reads what the kernel allows once. */
const FRESH_FOR: Nanoseconds = 10e6;

const UNKNOWN: LinkProperties = {
  readBandwidth: null,
  writeBandwidth: null,
  readLatency: null,
  writeLatency: null,
  distance: null,
  coherent: null,
  atomics: null,
};

/** Names of what is no memory of the topology's, and can be meant all the same. */
interface Besides {
  readonly host: boolean;
  readonly file: boolean;
}

/**
 * The machine that requests are decided on: what the kernel shows of this one, with what was measured on it, and the
 * devices of the context. It is read when a request first needs it, and again when nodes have come or gone.
 */
export class MachineView {
  readonly #devices: () => readonly Accelerator[];
  #live: Machine | null = null;
  #nodes = "";
  readonly #made = new Map<string, Machine>();
  readonly #now: () => Nanoseconds;
  #limits: KernelLimits | null = null;
  #limitsAt: Nanoseconds = 0;

  constructor(devices: () => readonly Accelerator[], now: () => Nanoseconds) {
    this.#devices = devices;
    this.#now = now;
  }

  /** The machine as it is now, with `host` and `file` as targets if those are meant by themselves. */
  machine(besides: Besides, limits: KernelLimits): Machine {
    const nodes = [...limits.nodes.keys()].join();
    if (this.#live === null || nodes !== this.#nodes) {
      this.#live = discoverMeasured();
      this.#nodes = nodes;
      this.#made.clear();
    }
    const key = `${besides.host},${besides.file}`;
    let machine = this.#made.get(key);
    if (machine === undefined) {
      machine = withDevices(this.#live, this.#devices(), besides);
      this.#made.set(key, machine);
    }
    return machine;
  }

  /** What the kernel allows now; what was read a moment ago counts as now. */
  limits(): KernelLimits {
    const now = this.#now();
    if (this.#limits === null || now - this.#limitsAt > FRESH_FOR) {
      this.#limits = readLimits();
      this.#limitsAt = now;
    }
    return this.#limits;
  }

  /** The same as a request is decided by. */
  allowing(limits: KernelLimits): Limits {
    const own = this.#devices().map(({ accel }) => accel.deviceMemory.name);
    return limitsFrom(limits, [HOST, FILE, ...own]);
  }
}

/** Devices are initiators with a memory of their own that no CPU reaches; the host's memory they use in place. */
function withDevices(live: Machine, devices: readonly Accelerator[], besides: Besides): Machine {
  const objects = [...live.targets, ...live.initiators, ...live.links, ...live.bridges];
  let uid = Math.max(-1, ...objects.map((one) => one.uid)) + 1;
  const targets: Target[] = [...live.targets];
  const initiators: Initiator[] = [...live.initiators];
  const links: Link[] = [...live.links];
  const nodes = live.targets.filter(({ numaNode }) => numaNode !== null).map((one) => one.uid);
  for (const { name, accel } of devices) {
    const own = { initiator: uid++, target: uid++, memory: uid++, host: uid++ };
    targets.push({
      ...target(own.target, accel.deviceMemory.name, accel.deviceMemory.pages * 4096),
      kind: { kind: "device", reason: `the memory of ${name}` },
      device: name,
      links: [own.memory],
    });
    initiators.push({
      type: "initiator",
      uid: own.initiator,
      version: 1,
      class: "accelerator",
      id: name,
      aliases: [],
      label: null,
      cpus: IndexSet.EMPTY,
      numaNode: null,
      pciAddress: null,
      links: [own.memory, own.host],
      bridges: [],
    });
    links.push(link(own.memory, "memory", own.initiator, [own.target]));
    links.push(link(own.host, "interconnect", own.initiator, nodes));
  }
  if (besides.host) targets.push(target(uid++, HOST, null));
  if (besides.file) targets.push({ ...target(uid++, FILE, null), kind: { kind: "file", reason: "a file" } });
  return { ...live, targets, initiators, links };
}

function target(uid: number, id: string, size: number | null): Target {
  return {
    type: "target",
    uid,
    version: 1,
    id,
    kind: { kind: "dram", reason: "the memory of the machine" },
    size,
    free: null,
    numaNode: null,
    device: null,
    label: null,
    links: [],
  };
}

function link(uid: number, medium: Link["medium"], initiator: number, targets: readonly number[]): Link {
  return {
    type: "link",
    uid,
    version: 1,
    medium,
    targets,
    initiators: [initiator],
    properties: UNKNOWN,
  };
}
