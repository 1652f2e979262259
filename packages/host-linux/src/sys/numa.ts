// The system calls of NUMA placement, by their own names. What fails answers a negative errno; nothing throws but what a
// program has wrong. Policies are a thread's own: what it sets, the threads and processes that it starts inherit.
import { IndexSet } from "@hms/topology";
import * as abi from "./abi.generated.ts";
import { checkAbi } from "./abi.ts";
import { failed, syscall, syscall6 } from "./libc.ts";
import { Scratch } from "./scratch.ts";
import type { Address, ByteCount } from "./units.ts";

export {
  MPOL_BIND,
  MPOL_DEFAULT,
  MPOL_F_STATIC_NODES,
  MPOL_INTERLEAVE,
  MPOL_LOCAL,
  MPOL_MF_MOVE,
  MPOL_MF_MOVE_ALL,
  MPOL_MF_STRICT,
  MPOL_PREFERRED,
  MPOL_PREFERRED_MANY,
  MPOL_WEIGHTED_INTERLEAVE,
} from "./abi.generated.ts";

/** Nodes that a mask names: 0 to NODES_MAX - 1, as many as a kernel can be built for. */
export const NODES_MAX = 1024;

const MASK_BYTES = NODES_MAX / 8;
/** The kernel takes one bit less than it is told of. */
const MAX_NODE = NODES_MAX + 1;
/** Where in the scratch memory the masks and the answers are. */
const FIRST_MASK = 0;
const SECOND_MASK = MASK_BYTES;
const MODE = 2 * MASK_BYTES;

const MODE_FLAGS = abi.MPOL_F_STATIC_NODES | abi.MPOL_F_RELATIVE_NODES | abi.MPOL_F_NUMA_BALANCING;

let shared: Scratch | null = null;

function scratch(): Scratch {
  if (shared === null) {
    checkAbi();
    shared = new Scratch();
  }
  return shared;
}

function putMask(at: ByteCount, nodes: Iterable<number>): Address {
  const { octets, address } = scratch();
  octets.fill(0, at, at + MASK_BYTES);
  for (const node of nodes) {
    if (!Number.isInteger(node) || node < 0 || node >= NODES_MAX) {
      throw new RangeError(`A node's number is 0 to ${NODES_MAX - 1}, not ${node}.`);
    }
    octets[at + (node >>> 3)] = (octets[at + (node >>> 3)] as number) | (1 << (node & 7));
  }
  return address + at;
}

function getMask(at: ByteCount): IndexSet {
  const { octets } = scratch();
  const nodes: number[] = [];
  for (let node = 0; node < NODES_MAX; node++) {
    if (((octets[at + (node >>> 3)] as number) >>> (node & 7)) & 1) nodes.push(node);
  }
  return IndexSet.of(nodes);
}

/** What the kernel holds as a policy. */
export interface NumaPolicy {
  /** `MPOL_DEFAULT`, `MPOL_PREFERRED`, `MPOL_BIND`, … */
  readonly mode: number;
  /** `MPOL_F_STATIC_NODES` and the like. */
  readonly flags: number;
  /** Empty with MPOL_DEFAULT and MPOL_LOCAL. */
  readonly nodes: IndexSet;
}

/**
 * Sets the policy of the calling thread: `MPOL_*`, with `MPOL_F_*` if need be. 0 or a negative errno: EINVAL for a mode
 * that the kernel does not know, and for nodes of which none is online, has memory and is allowed; EPERM or ENOSYS
 * where a seccomp filter keeps the call away; ENOSYS in a kernel without NUMA.
 */
export function setMempolicy(mode: number, nodes: Iterable<number>): number {
  const mask = putMask(FIRST_MASK, nodes);
  const none = (mode & ~MODE_FLAGS) === abi.MPOL_DEFAULT || (mode & ~MODE_FLAGS) === abi.MPOL_LOCAL;
  const done = syscall(abi.__NR_set_mempolicy, mode, none ? 0 : mask, none ? 0 : MAX_NODE);
  return done === 0 ? 0 : failed();
}

function policy(address: Address, flags: number): NumaPolicy | number {
  const { address: base, words } = scratch();
  const mask = putMask(FIRST_MASK, []);
  words[MODE >>> 2] = 0;
  const done = syscall6(abi.__NR_get_mempolicy, base + MODE, mask, MAX_NODE, address, flags, 0);
  if (done !== 0) return failed();
  const mode = words[MODE >>> 2] as number;
  return { mode: mode & ~MODE_FLAGS, flags: mode & MODE_FLAGS, nodes: getMask(FIRST_MASK) };
}

/** The policy of the calling thread, or a negative errno. */
export function getMempolicy(): NumaPolicy | number {
  return policy(0, 0);
}

/** The policy that pages at an address of this process get, or a negative errno (EFAULT: nothing is mapped there). */
export function policyAt(address: Address): NumaPolicy | number {
  return policy(address, abi.MPOL_F_ADDR);
}

/**
 * The node that the page at an address of this process is on, or a negative errno. It is made when it is not there
 * yet: `PageBatch.query` asks without touching.
 */
export function nodeAt(address: Address): number {
  const { address: base, words } = scratch();
  words[MODE >>> 2] = 0;
  const flags = abi.MPOL_F_NODE | abi.MPOL_F_ADDR;
  const done = syscall6(abi.__NR_get_mempolicy, base + MODE, 0, 0, address, flags, 0);
  return done === 0 ? (words[MODE >>> 2] as number) : failed();
}

/** The nodes that the calling thread may have memory on (its cpuset's, as the kernel sees them), or a negative errno. */
export function memsAllowed(): IndexSet | number {
  const { address: base } = scratch();
  const mask = putMask(FIRST_MASK, []);
  const flags = abi.MPOL_F_MEMS_ALLOWED;
  const done = syscall6(abi.__NR_get_mempolicy, base + MODE, mask, MAX_NODE, 0, flags, 0);
  return done === 0 ? getMask(FIRST_MASK) : failed();
}

/**
 * Sets the policy of a range of this process; `flags` of `MPOL_MF_*` look at or move what is there already. 0 or a
 * negative errno: EFAULT for a hole in the range, EIO for pages that `MPOL_MF_STRICT` found elsewhere or that could not
 * be moved, EPERM for `MPOL_MF_MOVE_ALL` without CAP_SYS_NICE, EINVAL as for `setMempolicy`, ENOMEM.
 */
export function mbind(
  address: Address,
  bytes: ByteCount,
  mode: number,
  nodes: Iterable<number>,
  flags: number,
): number {
  const mask = putMask(FIRST_MASK, nodes);
  const none = (mode & ~MODE_FLAGS) === abi.MPOL_DEFAULT || (mode & ~MODE_FLAGS) === abi.MPOL_LOCAL;
  const [at, maxNode] = none ? [0, 0] : [mask, MAX_NODE];
  const done = syscall6(abi.__NR_mbind, address, bytes, mode, at, maxNode, flags);
  return done === 0 ? 0 : failed();
}

/**
 * Sets the node that a range with `MPOL_BIND` or `MPOL_PREFERRED_MANY` counts distances from (Linux 5.17): 0 or a
 * negative errno: EOPNOTSUPP for a range with another policy, ENOENT for one that has none, EINVAL for a node that is
 * not online, ENOSYS in an older kernel.
 */
export function setHomeNode(address: Address, bytes: ByteCount, node: number): number {
  const done = syscall6(abi.__NR_set_mempolicy_home_node, address, bytes, node, 0, 0, 0);
  return done === 0 ? 0 : failed();
}

/**
 * Moves all pages of a process (0: this one) that are on one set of nodes to another: how many could not be moved, or a
 * negative errno as for `PageBatch.move`.
 */
export function migratePages(pid: number, from: Iterable<number>, to: Iterable<number>): number {
  const first = putMask(FIRST_MASK, from);
  const second = putMask(SECOND_MASK, to);
  const left = syscall6(abi.__NR_migrate_pages, pid, MAX_NODE, first, second, 0, 0);
  return left >= 0 ? left : failed();
}

/** What a status says before the kernel has written it; no errno and no node. */
export const STATUS_NONE: number = -0x10000;

/**
 * Pages of one process to be looked up or moved by one call (move_pages): their addresses, where they are to go, and
 * what the kernel says of each.
 */
export class PageBatch implements Disposable {
  /** Pages that one call takes. */
  readonly pagesMax: number;
  readonly #scratch: Scratch;
  readonly #nodesAt: ByteCount;
  readonly #statusAt: ByteCount;
  /** Of each page: the node that it is on, or a negative errno; STATUS_NONE where the kernel said nothing. */
  readonly status: Int32Array;
  /** Of each page: the node that it is to go to. */
  readonly nodes: Int32Array;

  /** Throws `OUT_OF_MEMORY`, `ABI_MISMATCH`. */
  constructor(pagesMax: number) {
    if (!Number.isInteger(pagesMax) || pagesMax < 1) {
      throw new RangeError(`A batch takes 1 page or more, not ${pagesMax}.`);
    }
    checkAbi();
    this.pagesMax = pagesMax;
    this.#nodesAt = pagesMax * 8;
    this.#statusAt = pagesMax * 12;
    this.#scratch = new Scratch(pagesMax * 16);
    const { buffer } = this.#scratch.octets;
    this.nodes = new Int32Array(buffer, this.#nodesAt, pagesMax);
    this.status = new Int32Array(buffer, this.#statusAt, pagesMax);
  }

  /** Says which page is meant at a place of the batch: by any address in it. */
  put(i: number, address: Address): void {
    this.#scratch.put(i * 8, address);
  }

  /** The address of a place. */
  address(i: number): Address {
    return this.#scratch.get(i * 8);
  }

  /**
   * Where the first `count` pages are, into `status`, without touching them: a node, ENOENT for no page there, EFAULT
   * for nothing mapped there and for the page of zeros. 0 or a negative errno: ESRCH for no such process, EPERM for one
   * of others, EINVAL for one that has no memory any more.
   *
   * @param pid 0 is this process
   */
  query(pid: number, count: number): number {
    return this.#call(pid, count, 0, 0);
  }

  /**
   * Moves the first `count` pages to their `nodes`, best in runs of one node each. Answers 0 when each page's status is
   * written (its node, or why not: EACCES for a page that other processes map too, without `MPOL_MF_MOVE_ALL`; EBUSY;
   * ENOENT; EFAULT), a positive number when the kernel stopped before it was through with them (what it did not write
   * is STATUS_NONE: ask by `query`), or a negative errno: as for `query`, and EACCES for a node that the cpuset of the
   * process leaves out, ENODEV for one without memory, ENOMEM when a node is full, EPERM for `MPOL_MF_MOVE_ALL` without
   * CAP_SYS_NICE.
   *
   * @param flags `MPOL_MF_MOVE` or `MPOL_MF_MOVE_ALL`
   */
  move(pid: number, count: number, flags: number): number {
    return this.#call(pid, count, this.#scratch.address + this.#nodesAt, flags);
  }

  #call(pid: number, count: number, nodes: Address, flags: number): number {
    if (count > this.pagesMax) throw new RangeError(`This batch takes ${this.pagesMax} pages, not ${count}.`);
    this.status.fill(STATUS_NONE, 0, count);
    const { address } = this.#scratch;
    const status = address + this.#statusAt;
    const left = syscall6(abi.__NR_move_pages, pid, count, address, nodes, status, flags);
    return left >= 0 ? left : failed();
  }

  /** Its arrays have no elements afterwards. */
  [Symbol.dispose](): void {
    this.#scratch[Symbol.dispose]();
  }
}
