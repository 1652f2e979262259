// A process that measures how fast pages come when a thread touches them: `touch.ts PLACEMENT WINDOW ORDER MIB`.
// PLACEMENT: same | other | spin | default; WINDOW: pages a fault brings in, 0 for what hms does by itself; ORDER: seq | rand.
// Prints one line of JSON for each round.
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import {
  bufferAt,
  EventFd,
  gettid,
  KernelLoop,
  LinuxHost,
  Placement,
  type PlacementOptions,
  setAffinity,
  threadAddress,
  WakePage,
  type WakePageData,
} from "@hms/host-linux";

const PAGE_BYTES = 4096;
const ROUNDS = Number(process.env.ROUNDS ?? 3);

interface Setting {
  readonly placement: PlacementOptions;
  readonly window: number;
  readonly bytes: number;
  readonly wake: number;
  readonly wakePage: WakePageData;
  readonly control: Int32Array;
  readonly thread: number;
  readonly address: number;
}

interface Ready {
  readonly address: number;
  readonly faults: number;
}

if (isMainThread) await touch();
else serve(workerData as Setting);

async function touch(): Promise<void> {
  const [placement = "default", window = "1", order = "rand", mib = "64"] = process.argv.slice(2);
  const bytes = Number(mib) * 2 ** 20;
  const wake = EventFd.create();
  const wakePage = WakePage.create();
  const control = new Int32Array(new SharedArrayBuffer(8));
  if (placement !== "default") setAffinity([0]);
  const placements: Record<string, PlacementOptions> = {
    same: { cpus: [0] },
    other: { cpus: [1], spin: false },
    spin: { cpus: [1] },
    default: {},
  };
  const setting: Setting = {
    placement: placements[placement] ?? {},
    window: Number(window),
    bytes,
    wake: wake.fd,
    wakePage: wakePage.data,
    control,
    thread: gettid(),
    address: threadAddress(),
  };
  const worker = new Worker(import.meta.filename, { workerData: setting });
  const next = (): Promise<Ready> => new Promise((resolve) => worker.once("message", resolve));
  const pages = orderOf(bytes / PAGE_BYTES, order);
  for (let round = 0; round < ROUNDS; round++) {
    const { address } = await next();
    const memory = new Uint8Array(bufferAt(address, bytes));
    // Everyone is asleep, and the compiler knows the loop.
    const started = performance.now();
    const sum = touchAll(memory, pages);
    const seconds = (performance.now() - started) / 1000;
    Atomics.add(control, 0, 1);
    if (!wakePage.ring()) wake.signal();
    const { faults } = await next();
    process.stdout.write(
      `${JSON.stringify({ seconds, faults, faultsPerSecond: faults / seconds, bytesPerSecond: bytes / seconds, sum })}\n`,
    );
  }
  process.exit(0);
}

function touchAll(memory: Uint8Array, pages: Uint32Array): number {
  let sum = 0;
  for (let i = 0; i < pages.length; i++) sum += memory[(pages[i] ?? 0) * PAGE_BYTES] ?? 0;
  return sum;
}

function orderOf(count: number, order: string): Uint32Array {
  const pages = Uint32Array.from({ length: count }, (_, i) => i);
  if (order !== "rand") return pages;
  let state = 88_172_645;
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const j = state % (i + 1);
    const page = pages[i] ?? 0;
    pages[i] = pages[j] ?? 0;
    pages[j] = page;
  }
  return pages;
}

function serve(setting: Setting): void {
  const host = new LinuxHost();
  const placement = new Placement(setting.placement);
  placement.register(setting.thread, setting.address);
  const wake = EventFd.of(setting.wake);
  for (let round = 0; round < ROUNDS; round++) {
    const space = host.createSpace();
    const region = space.map({ bytes: setting.bytes, huge: setting.window === 1 ? false : null });
    region.setWindow(setting.window);
    const before = host.statistics.cpuFaults;
    const loop = new KernelLoop(
      host,
      {
        poll: () => {
          if (Atomics.load(setting.control, 0) > round) loop.stop();
          return 0;
        },
        sleeping: () => undefined,
      },
      wake,
      { placement, wakePage: WakePage.of(setting.wakePage) },
    );
    parentPort?.postMessage({ address: region.address, faults: 0 });
    loop.run();
    const faults = host.statistics.cpuFaults - before;
    space.close();
    parentPort?.postMessage({ address: 0, faults });
  }
  host.close();
}
