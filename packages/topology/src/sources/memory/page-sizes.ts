import type { PageSize } from "../../model/facts.ts";
import { BYTES_RANGE, readInteger } from "../attribute.ts";
import { noFileInfo } from "../cpu/no-file-info.ts";
import type { Discovery } from "../source.ts";
import { kibibytes } from "./meminfo.ts";

/** Of nearly all machines; used when nothing says otherwise. */
const USUAL_PAGE_BYTES = 4096;
/** Smallest and largest base page that Linux has been built with. */
const PAGE_BYTES_MIN = 4096;
const PAGE_BYTES_MAX = 2 ** 18;
/** Key of the page size in what the kernel tells each process. */
const AT_PAGESZ = 6n;
/** Free pages from which on their number says how large a page is. */
const FREE_PAGES_MIN = 256;
/** Nodes looked at for that, at most: a node may have hardly any free memory, but not all. */
const NODES_ASKED_MAX = 8;
/** A directory name such as `hugepages-2048kB`. */
const HUGE_DIRECTORY = /^hugepages-(\d{1,12})kB$/;

function isPageSize(bytes: number): boolean {
  return bytes >= PAGE_BYTES_MIN && bytes <= PAGE_BYTES_MAX && Number.isInteger(Math.log2(bytes));
}

/** Bytes of a page that is not huge. */
export function basePageSize(discovery: Discovery, nodeDirectories: readonly string[]): number {
  const { tree } = discovery;
  const noted = Number(noFileInfo(tree).get("PageSize"));
  if (isPageSize(noted)) return noted;
  const told = tree.live ? fromAuxiliaryVector(tree.readBytes("proc/self/auxv", 4096)) : 0;
  if (isPageSize(told)) return told;
  for (const directory of [...nodeDirectories.slice(0, NODES_ASKED_MAX), "proc"]) {
    const vmstat = tree.readText(`${directory}/vmstat`);
    const bytes = vmstat === undefined ? 0 : fromFreePages(vmstat, tree.readText(`${directory}/meminfo`));
    if (isPageSize(bytes)) return bytes;
  }
  return USUAL_PAGE_BYTES;
}

/** Pairs of 64-bit words in the machine's byte order; Node runs on little-endian and (s390x) big-endian machines. */
function fromAuxiliaryVector(bytes: Uint8Array | undefined): number {
  if (bytes === undefined) return 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
  for (let at = 0; at + 16 <= bytes.byteLength; at += 16)
    if (view.getBigUint64(at, little) === AT_PAGESZ) return Number(view.getBigUint64(at + 8, little));
  return 0;
}

/** The same free memory is stated in pages and in kB, a moment apart. */
function fromFreePages(vmstat: string, meminfo: string | undefined): number {
  const pages = Number(/^nr_free_pages (\d{1,12})$/m.exec(vmstat)?.[1]);
  const free = kibibytes(meminfo, "MemFree");
  if (!(pages >= FREE_PAGES_MIN) || free === undefined || free === 0) return 0;
  return 2 ** Math.round(Math.log2((free * 1024) / pages));
}

/** Huge pages of a node (or, on a machine without nodes, of the machine), by rising size. */
export function hugePages(discovery: Discovery, directory: string): PageSize[] {
  const sizes: PageSize[] = [];
  for (const name of discovery.tree.list(directory)) {
    const kib = Number(HUGE_DIRECTORY.exec(name)?.[1]);
    if (!(kib > 0)) continue;
    const count = readInteger(discovery, `${directory}/${name}/nr_hugepages`, BYTES_RANGE);
    if (count === undefined) continue;
    const free = readInteger(discovery, `${directory}/${name}/free_hugepages`, BYTES_RANGE) ?? null;
    sizes.push({ size: kib * 1024, count, free });
  }
  return sizes.sort((a, b) => a.size - b.size);
}

/** The base pages and the huge ones of a node: the base ones are what the huge ones leave. */
export function pageSizes(
  memory: { readonly size: number | null; readonly free: number | null },
  basePage: number,
  huge: readonly PageSize[],
): PageSize[] {
  if (memory.size === null) return [...huge];
  const hugeBytes = huge.reduce((sum, { size, count }) => sum + size * count, 0);
  const count = Math.max(0, Math.floor((memory.size - hugeBytes) / basePage));
  const free = memory.free === null ? null : Math.floor(memory.free / basePage);
  return [{ size: basePage, count, free }, ...huge];
}
