// A recording that was made up: what the renderers are tried on without a machine that can be recorded.
import {
  type Flow,
  letterOf,
  type RecordedRegion,
  type Recording,
  type RegionTraffic,
  type Snapshot,
  UNTOUCHED,
} from "../recording.ts";

const MIB = 2 ** 20;
const SAMPLES = 120;
const INTERVAL = 20e6;

function traffic(some: Partial<RegionTraffic>): RegionTraffic {
  return {
    cpuFaults: 0,
    deviceFaults: 0,
    faultNs: 0,
    toDevice: 0,
    toHost: 0,
    evicted: 0,
    duplicated: 0,
    swappedOut: 0,
    swappedIn: 0,
    droppedClean: 0,
    ...some,
  };
}

function flow(from: string, to: string, cause: Flow["cause"], pages: number, moves: number): Flow {
  return { from, to, cause, duplicate: false, pages, moves };
}

/** Two arrays on a device of 64 MiB, and one that is sorted on disk. */
export function syntheticRecording(): Recording {
  const progress = (i: number): number => i / (SAMPLES - 1);
  const regions: RecordedRegion[] = [
    {
      name: "y",
      address: 0x7f00_0000_0000,
      size: 128 * MIB,
      kind: "private",
      gone: false,
      traffic: traffic({
        cpuFaults: 1024,
        deviceFaults: 5000,
        toDevice: 90_000,
        toHost: 85_000,
        evicted: 60_000,
      }),
      flows: [
        flow("host", "accel0", "device-fault", 90_000, 5000),
        flow("accel0", "host", "eviction", 60_000, 700),
        flow("accel0", "host", "cpu-fault", 25_000, 1024),
      ],
    },
    {
      name: "x",
      address: 0x7f10_0000_0000,
      size: 32 * MIB,
      kind: "private",
      gone: true,
      traffic: traffic({ cpuFaults: 9000, deviceFaults: 4000, toDevice: 30_000, toHost: 25_000 }),
      flows: [
        flow("host", "accel0", "device-fault", 30_000, 4000),
        flow("accel0", "host", "cpu-fault", 25_000, 900),
      ],
    },
    {
      name: "log <b>&\u001b[31m",
      address: 0x7f20_0000_0000,
      size: 80 * MIB,
      kind: "file",
      gone: false,
      traffic: traffic({ cpuFaults: 32_000, swappedOut: 30_000, swappedIn: 20_480, droppedClean: 10_000 }),
      flows: [
        flow("host", "swap", "reclaim", 30_000, 900),
        flow("swap", "host", "cpu-fault", 20_480, 16_000),
      ],
    },
  ];
  return {
    format: "hms-recording",
    version: 1,
    pid: 4711,
    opened: 1e9,
    ended: 1e9 + SAMPLES * INTERVAL,
    complete: true,
    ramBytes: 256 * MIB,
    devices: [{ name: "accel0", driver: "accel", memoryBytes: 64 * MIB, usedBytesMax: 64 * MIB }],
    statistics: {
      cpuFaults: 42_000,
      deviceFaults: 9_000,
      faultNs: 410e6,
      movedToDevice: 120_000,
      movedToHost: 110_000,
      movedBetweenDevices: 0,
      duplicated: 0,
      evicted: 80_000,
      swappedOut: 30_000,
      swappedIn: 20_000,
      lost: 0,
      invalidations: 1000,
      overrides: 1,
      residentBytes: 100 * MIB,
      residentBytesMax: 256 * MIB,
      swapBytes: 40 * MIB,
      droppedClean: 10_000,
    },
    timeline: Array.from({ length: SAMPLES }, (_, i) => ({
      when: 1e9 + i * INTERVAL,
      cpuFaults: Math.round(42_000 * progress(i) ** 2),
      deviceFaults: Math.round(9000 * progress(i)),
      faultNs: Math.round(600e6 * progress(i)),
      movedToDevice: Math.round(120_000 * progress(i)),
      movedToHost: Math.round(110_000 * progress(i) + 4000 * Math.sin(i / 4)),
      swappedOut: Math.round(30_000 * Math.max(0, progress(i) - 0.4) * 1.6),
      swappedIn: Math.round(20_000 * Math.max(0, progress(i) - 0.5) * 2),
      residentBytes: Math.min(256, 4 * i) * MIB,
      deviceBytes: Math.min(64, 2 * i) * MIB,
    })),
    flows: regions.flatMap(({ flows }) => flows),
    regions,
    regionsTotal: 3,
    places: ["host", "accel0", "swap"],
    snapshots: Array.from({ length: SAMPLES }, (_, i) => snapshot(i)),
    events: [
      {
        when: 1.5e9,
        kind: "override",
        text: "host: the memory budget is exceeded: the disk takes no more pages",
        count: 3,
      },
    ],
  };
}

function snapshot(i: number): Snapshot {
  const [host, accel, swap] = [letterOf(0), letterOf(1), letterOf(2)];
  const cells = (of: (cell: number) => string): string =>
    Array.from({ length: 64 }, (_, cell) => of(cell)).join("");
  const strips = [
    {
      region: 0,
      cells: cells((cell) => (cell > i ? UNTOUCHED : Math.abs(((i * 2) % 64) - cell) < 16 ? accel : host)),
    },
    { region: 2, cells: cells((cell) => (i < 30 ? UNTOUCHED : i > 70 && cell % 3 === 0 ? swap : host)) },
  ];
  if (i < 90) strips.push({ region: 1, cells: cells((cell) => (i % 12 < 6 && cell < 40 ? accel : host)) });
  return { when: 1e9 + i * INTERVAL, deviceBytes: [Math.min(64, 2 * i) * MIB], strips };
}
