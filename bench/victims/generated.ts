// Traces of pages that are made up: what programs do with memory in its simplest forms. The same each time.

/** Numbers from 0 below 1 that follow from a seed (a 32-bit generator of Marsaglia's kind). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Pages of which few are used often: page k with a probability in proportion to 1 / (k + 1)^skew. */
function zipf(pages: number, skew: number, seed: number): () => number {
  const random = randomOf(seed);
  const sums = new Float64Array(pages);
  let sum = 0;
  for (let k = 0; k < pages; k++) {
    sum += 1 / (k + 1) ** skew;
    sums[k] = sum;
  }
  return () => {
    const wanted = random() * sum;
    let low = 0;
    for (let high = pages - 1; low < high; ) {
      const middle = (low + high) >>> 1;
      if ((sums[middle] as number) < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

export const PAGES = 40_000;
export const LENGTH = 1_000_000;

export interface Generated {
  readonly name: string;
  readonly trace: Uint32Array;
}

/** The traces, over `PAGES` pages and a few more that are used once. */
export function generated(): readonly Generated[] {
  return [
    { name: "zipf", trace: draw(zipf(PAGES, 0.9, 1)) },
    { name: "uniform", trace: draw(uniform(2)) },
    { name: "loop", trace: Uint32Array.from({ length: LENGTH }, (_, i) => i % (PAGES / 4)) },
    { name: "scan", trace: scans(3) },
    { name: "phases", trace: phases(4) },
    { name: "mix", trace: mix(5) },
  ];
}

function draw(next: () => number): Uint32Array {
  return Uint32Array.from({ length: LENGTH }, next);
}

function uniform(seed: number): () => number {
  const random = randomOf(seed);
  return () => Math.floor(random() * PAGES);
}

/** A hot set (zipf), and every so often a walk over pages that are not used again. */
function scans(seed: number): Uint32Array {
  const next = zipf(PAGES, 0.9, seed);
  let fresh = PAGES;
  return Uint32Array.from({ length: LENGTH }, (_, i) => (i % 50_000 < 12_500 ? fresh++ : next()));
}

/** A working set that is another one every 100,000 uses. */
function phases(seed: number): Uint32Array {
  const next = zipf(PAGES / 5, 0.7, seed);
  return Uint32Array.from({ length: LENGTH }, (_, i) => (next() + Math.floor(i / 100_000) * 3000) % PAGES);
}

/** A matrix product by blocks: a loop over one array, a walk over another, and a few pages that are always needed. */
function mix(seed: number): Uint32Array {
  const random = randomOf(seed);
  let walk = PAGES / 2;
  return Uint32Array.from({ length: LENGTH }, (_, i) => {
    const kind = i % 4;
    if (kind === 0) return Math.floor(random() * 400);
    if (kind === 1) return walk++;
    return 400 + (Math.floor(i / 2) % 3000);
  });
}
