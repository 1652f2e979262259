// PageRank over a graph in a file, by a CPU and an accelerator together, on the same memory. Run it by
//
//   npx hms run --device accel:memory=1MiB examples/pagerank.ts [FILE] [ITERATIONS]
//
// FILE is an edge list (see edge-list.ts), such as those of the SNAP collection; without it, the packages of Debian 12
// and what they depend on. The graph may be larger than the device's memory, and than RAM (--ram). The result is
// compared with a plain computation on ordinary arrays: it must be the same, bit for bit.
import { join } from "node:path";
import { type Hms, open, type Queue, type Shared } from "hms";
import { readEdges } from "./edge-list.ts";

const DAMPING = 0.85;

/** The edges by where they lead: those to node v are sources[starts[v]] to sources[starts[v + 1] - 1]. */
interface Graph<T> {
  readonly nodes: number;
  readonly edges: number;
  readonly starts: T;
  readonly sources: T;
  readonly outDegrees: T;
  readonly names: ReadonlyMap<number, string>;
}

interface Values {
  readonly starts: Uint32Array;
  readonly sources: Uint32Array;
  readonly shares: Float64Array;
  readonly ranks: Float64Array;
  readonly base: number;
  readonly damping: number;
}

/** The kernel: the rank of each node is what those that lead to it give. The CPU and the device run the same. */
function gather(values: Values, { first, end }: { readonly first: number; readonly end: number }): void {
  const { starts, sources, shares, ranks, base, damping } = values;
  for (let node = first; node < end; node++) {
    let sum = 0;
    const stop = starts[node + 1] ?? 0;
    for (let edge = starts[node] ?? 0; edge < stop; edge++) sum += shares[sources[edge] ?? 0] ?? 0;
    ranks[node] = base + damping * sum;
  }
}

/** Each node gives its rank to those that it leads to, in equal shares; what leads nowhere gives to all. */
function share(ranks: Float64Array, outDegrees: Uint32Array, shares: Float64Array): number {
  let toAll = 0;
  for (let node = 0; node < ranks.length; node++) {
    const rank = ranks[node] ?? 0;
    const degree = outDegrees[node] ?? 0;
    if (degree === 0) toAll += rank;
    shares[node] = degree === 0 ? 0 : rank / degree;
  }
  return (1 - DAMPING + DAMPING * toAll) / ranks.length;
}

/** Reads the graph into arrays that `make` makes. The file is read three times, and never held. */
async function readGraph<T extends { readonly view: Uint32Array }>(
  path: string,
  make: (length: number, name: string) => T,
): Promise<Graph<T>> {
  let nodes = 0;
  let edges = 0;
  const names = new Map<number, string>();
  await readEdges(
    path,
    (from, to) => {
      nodes = Math.max(nodes, from + 1, to + 1);
      edges++;
    },
    (node, name) => names.set(node, name),
  );
  if (edges === 0) throw new Error(`${path} has no edges: expected are lines of two numbers`);
  const starts = make(nodes + 1, "starts");
  const sources = make(edges, "sources");
  const outDegrees = make(nodes, "outDegrees");
  const [first, source, degrees] = [starts.view, sources.view, outDegrees.view];
  await readEdges(path, (from, to) => {
    degrees[from] = (degrees[from] ?? 0) + 1;
    first[to + 1] = (first[to + 1] ?? 0) + 1;
  });
  for (let node = 0; node < nodes; node++) first[node + 1] = (first[node + 1] ?? 0) + (first[node] ?? 0);
  const next = Uint32Array.from(first.subarray(0, nodes));
  await readEdges(path, (from, to) => {
    const at = next[to] ?? 0;
    source[at] = from;
    next[to] = at + 1;
  });
  return { nodes, edges, starts, sources, outDegrees, names };
}

/** The node at which the edges before it are so large a part of all. */
function nodeAt({ nodes, edges, starts }: Graph<{ readonly view: Uint32Array }>, part: number): number {
  let node = 0;
  while (node < nodes && (starts.view[node] ?? 0) < edges * part) node++;
  return node;
}

/** PageRank on memory that the CPU and a device share: each takes half of the edges, at the same time. */
async function rankTogether(
  hms: Hms,
  graph: Graph<Shared<Uint32Array>>,
  queue: Queue | null,
  iterations: number,
): Promise<Shared<Float64Array>> {
  const { nodes, starts, sources, outDegrees } = graph;
  const ranks = hms.space.alloc(Float64Array, nodes, { name: "ranks" });
  const shares = hms.space.alloc(Float64Array, nodes, { name: "shares" });
  // Both read all of these, in any order: each may have pages of its own.
  for (const array of [shares, starts, sources]) hms.space.advise(array, "read-mostly");
  const split = queue === null ? nodes : nodeAt(graph, 0.5);
  ranks.view.fill(1 / nodes);
  for (let i = 0; i < iterations; i++) {
    const base = share(ranks.view, outDegrees.view, shares.view);
    const work = queue?.run(
      gather,
      {
        starts: starts.read(),
        sources: sources.read(),
        shares: shares.read(),
        ranks: ranks.update(),
        base,
        damping: DAMPING,
      },
      { range: { first: split, end: nodes } },
    );
    const views = { starts: starts.view, sources: sources.view, shares: shares.view, ranks: ranks.view };
    gather({ ...views, base, damping: DAMPING }, { first: 0, end: split });
    await work;
  }
  return ranks;
}

/** The same without hms. */
function rankPlainly(graph: Graph<{ readonly view: Uint32Array }>, iterations: number): Float64Array {
  const { nodes } = graph;
  const ranks = new Float64Array(nodes).fill(1 / nodes);
  const shares = new Float64Array(nodes);
  const [starts, sources, outDegrees] = [graph.starts.view, graph.sources.view, graph.outDegrees.view];
  for (let i = 0; i < iterations; i++) {
    const base = share(ranks, outDegrees, shares);
    gather({ starts, sources, shares, ranks, base, damping: DAMPING }, { first: 0, end: nodes });
  }
  return ranks;
}

const path = process.argv[2] ?? join(import.meta.dirname, "data/debian-packages.txt.gz");
const iterations = Number(process.argv[3] ?? 20);
using hms = await open();
const graph = await readGraph(path, (length, name) => hms.space.alloc(Uint32Array, length, { name }));
const { nodes, edges } = graph;
console.log(`${path.split("/").at(-1)}: ${nodes} nodes, ${edges} edges`);

const [device] = hms.devices;
const queue = device === undefined ? null : hms.device(device.name).queue();
const where = device === undefined ? "the CPU alone" : `the CPU and ${device.name}`;
if (device !== undefined) {
  const { memoryBytes } = hms.device(device.name).attributes;
  const bytes = hms.space.statistics().mappedBytes + nodes * 16;
  console.log(`${device.name} has ${memoryBytes >> 10} KiB of memory, the arrays have ${bytes >> 10} KiB`);
}
const started = performance.now();
const ranks = await rankTogether(hms, graph, queue, iterations);
console.log(`${iterations} iterations on ${where}: ${Math.round(performance.now() - started)} ms`);

const plain = await readGraph(path, (length) => ({ view: new Uint32Array(length) }));
const expected = rankPlainly(plain, iterations);
const wrong = expected.findIndex((rank, node) => rank !== ranks.view[node]);
if (wrong >= 0)
  throw new Error(`rank of node ${wrong} is ${ranks.view[wrong]}, but should be ${expected[wrong]}`);
console.log(`verified: all ${nodes} ranks are, bit for bit, those of a plain computation`);

const best = [...ranks.view.entries()].sort(([, a], [, b]) => b - a).slice(0, 5);
for (const [node, rank] of best) console.log(`  ${rank.toFixed(5)}  ${graph.names.get(node) ?? node}`);
