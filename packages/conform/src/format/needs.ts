import type { DeviceKind, MapStep, Step, TestCase } from "./case.ts";

/** What a case needs of a host: what it says and what its steps use. */
export interface Requirements {
  /** Capability names, in the order in which they were met. */
  readonly capabilities: readonly string[];
  /** Devices of each kind that are open at the same time. */
  readonly devices: Readonly<Record<DeviceKind, number>>;
}

/** Works out what a case needs, so that a host that lacks it skips the case instead of passing it by accident. */
export function requirementsOf(test: TestCase): Requirements {
  const capabilities = new Set(test.needs);
  const devices = { private: 0, coherent: 0 };
  for (const kind of test.devices.values()) {
    capabilities.add(kind);
    devices[kind]++;
  }
  collect(test.steps, capabilities);
  return { capabilities: [...capabilities], devices };
}

function collect(steps: readonly Step[], into: Set<string>): void {
  for (const step of steps) {
    switch (step.step) {
      case "fork":
        into.add("fork");
        collect(step.child, into);
        collect(step.parent, into);
        break;
      case "repeat":
        for (const round of step.rounds) collect(round, into);
        break;
      case "race":
        collect(step.steps, into);
        collect(step.rival, into);
        break;
      case "map":
        collectMap(step, into);
        break;
      case "remap":
      case "pin":
        into.add(step.step);
        break;
      case "file-check":
        into.add("file");
        break;
      case "advise":
        if (step.advice === "hugepage" || step.advice === "collapse") into.add("thp");
        break;
      case "device":
        if (step.command === "exclusive" || step.command === "check-exclusive") into.add("exclusive");
        if (step.command === "fail-next-allocation") into.add("inject");
        break;
    }
  }
}

const BACKING_CAPABILITY = {
  anonymous: null,
  file: "file",
  hugetlb: "hugetlb",
  dax: "dax",
  device: "mixedmap",
};

function collectMap(step: MapStep, into: Set<string>): void {
  const backing = BACKING_CAPABILITY[step.backing.kind];
  if (backing !== null) into.add(backing);
  if (step.share === "shared") into.add("shared");
  if (step.huge) into.add("thp");
}
