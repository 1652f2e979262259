// Random work on real memory, compared with plain arrays: `soak.ts [SEED] [SECONDS]`.
import { MADV_DONTNEED } from "../sys/abi.generated.ts";
import { madvise } from "../sys/memory.ts";
import { Kernel, type MappedRegion } from "./kernel.ts";

const PAGE = 4096;
const MiB = 2 ** 20;
const REGIONS_MAX = 6;

/** Numbers that follow from a seed. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  next(below: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state % below;
  }
}

interface Shown {
  readonly region: MappedRegion;
  readonly bytes: Uint8Array;
  readonly plain: Uint8Array;
  readonly shared: boolean;
}

/** What was done, and how much of it. */
export interface SoakReport {
  readonly steps: number;
  readonly counts: Record<string, number>;
}

/** Works for so long, and throws when a byte is not as it should be. */
export async function soak(seed: number, seconds: number): Promise<SoakReport> {
  const random = new Random(seed * 7919 + 1);
  const kernel = new Kernel({ ramBytes: 24 * MiB, zeroPages: random.next(2) === 1 });
  const shown: Shown[] = [];
  const counts: Record<string, number> = {};
  let steps = 0;
  for (const end = performance.now() + seconds * 1000; performance.now() < end; steps++) {
    const name = step(kernel, shown, random);
    counts[name] = (counts[name] ?? 0) + 1;
    if (steps % 50 === 0) verify(kernel, shown, `seed ${seed}, step ${steps}, after ${name}`);
  }
  verify(kernel, shown, `seed ${seed}, at the end`);
  await kernel.close();
  return { steps, counts };
}

function verify(kernel: Kernel, shown: readonly Shown[], when: string): void {
  const wrong = kernel.call("check");
  if (wrong.length > 0) throw new Error(`${when}: ${wrong.join("; ")}`);
  for (const { bytes, plain, region } of shown) {
    const at = Buffer.compare(bytes, plain) === 0 ? -1 : bytes.findIndex((byte, i) => byte !== plain[i]);
    if (at >= 0)
      throw new Error(
        `${when}: byte ${at} (page ${Math.floor(at / PAGE)}) of region ${region.id} is ${bytes[at]}, not ${plain[at]}`,
      );
  }
}

function step(kernel: Kernel, shown: Shown[], random: Random): string {
  const chosen = shown[random.next(REGIONS_MAX)];
  if (chosen === undefined) return open(kernel, shown, random);
  const pages = chosen.plain.length / PAGE;
  const first = random.next(pages);
  const count = Math.min(pages - first, 1 + random.next(random.next(4) === 0 ? 600 : 20));
  const page = chosen.region.address / PAGE + first;
  const span = chosen.bytes.subarray(first * PAGE, (first + count) * PAGE);
  const plain = chosen.plain.subarray(first * PAGE, (first + count) * PAGE);
  switch (random.next(16)) {
    case 0:
    case 1:
    case 2:
      for (let i = 0; i < count; i++) {
        const at = i * PAGE + random.next(PAGE);
        span[at] = random.next(256);
        plain[at] = span[at] ?? 0;
      }
      return "write";
    case 3: {
      const value = random.next(256);
      span.fill(value);
      plain.fill(value);
      return "fill";
    }
    case 4:
    case 5:
    case 6:
      if (Buffer.compare(span, plain) !== 0) throw new Error(`pages ${first} to ${first + count} differ`);
      return "read";
    case 7:
      if (chosen.shared) return "nothing";
      madvise(page * PAGE, count * PAGE, MADV_DONTNEED);
      plain.fill(0);
      return "dontneed";
    case 8:
      if (chosen.shared) return "nothing";
      kernel.call("discard", page, count);
      plain.fill(0);
      return "discard";
    case 9:
    case 10:
      if (chosen.shared) return "nothing";
      kernel.call("toDevice", page, count, `dev${random.next(2)}`);
      return "to device";
    case 11:
      if (chosen.shared) return "nothing";
      kernel.call("toHost", page, count);
      return "to host";
    case 12:
      kernel.call("reclaim", random.next(2000));
      return "reclaim";
    case 13:
      kernel.call("protect", page, count, 1);
      if (Buffer.compare(span, plain) !== 0)
        throw new Error(`protected pages ${first} to ${first + count} differ`);
      kernel.call("protect", page, count, 3);
      return "protect";
    case 14:
      if (random.next(4) > 0) return "nothing";
      kernel.call("unmap", chosen.region.address / PAGE, chosen.region.bytes / PAGE);
      shown.splice(shown.indexOf(chosen), 1);
      return "unmap";
    default:
      kernel.call("evictDevice", `dev${random.next(2)}`);
      return "evict";
  }
}

function open(kernel: Kernel, shown: Shown[], random: Random): string {
  const bytes = (1 + random.next(3000)) * PAGE;
  const shared = random.next(4) === 0;
  const huge = random.next(3) === 0 ? true : null;
  const region = kernel.map({ bytes, kind: shared ? "shared" : "private", huge });
  shown.push({ region, bytes: kernel.bytes(region), plain: new Uint8Array(bytes), shared });
  return "map";
}

if (process.argv[1] === import.meta.filename) {
  const seed = Number(process.argv[2] ?? Date.now() % 1_000_000);
  process.stdout.write(`seed ${seed}\n`);
  const { steps, counts } = await soak(seed, Number(process.argv[3] ?? 10));
  process.stdout.write(`${steps} steps: ${JSON.stringify(counts)}\n`);
}
