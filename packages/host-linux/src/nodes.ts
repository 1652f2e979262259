import type { PageCount, PageIndex, Space } from "@hms/hmm";
import { MPOL_BIND, MPOL_DEFAULT, MPOL_PREFERRED, setMempolicy } from "./sys/numa.ts";

/** Where fresh pages are to be made; filled by a `NodePlacer`. */
export interface NodeChoice {
  /** A node of the machine; −1: wherever the kernel makes them, or with `told` as it knows of each page. */
  node: number;
  /** Pages from the one that was asked about on, of which this is true. At least 1. */
  count: PageCount;
  /** Only there. */
  strict: boolean;
  /** The kernel has been told by `mbind`, and does it by itself at the program's own addresses. */
  told: boolean;
  /** They are to be there only, and there is no room: none may be made. */
  full: boolean;
}

/** Knows on which nodes of the machine pages of the program's addresses should be. The host knows no policy itself. */
export interface NodePlacer {
  /**
   * Says in `choice` where fresh pages from `page` on should be, and of how many of `count` that is true; false: nobody
   * has said so. `here`: they are made at those addresses, where what the kernel was told counts.
   */
  choose(space: Space, page: PageIndex, count: PageCount, here: boolean, choice: NodeChoice): boolean;
  /** Whether someone has said where any of these pages should be, be it in a device's memory. */
  said(space: Space, page: PageIndex, count: PageCount): boolean;
  /** Addresses are the space's no more, or moved. */
  unmapped(space: Space, page: PageIndex, count: PageCount): void;
  remapped(space: Space, from: PageIndex, to: PageIndex, count: PageCount): void;
  /** Why no memory could be made for a page, in words. */
  whyFull(space: Space, page: PageIndex): string | null;
}

/** The choice that is filled again and again. */
export function newChoice(): NodeChoice {
  return { node: -1, count: 1, strict: false, told: false, full: false };
}

const one: [number] = [0];

/** Does something that makes the kernel allocate in this thread, on the node that was chosen. */
export function onNode<T>(choice: NodeChoice | null, action: () => T): T {
  if (choice === null || choice.node < 0) return action();
  one[0] = choice.node;
  // A node that is gone is not told to the kernel: what it then does shows in where the pages are.
  if (setMempolicy(choice.strict ? MPOL_BIND : MPOL_PREFERRED, one) < 0) return action();
  try {
    return action();
  } finally {
    setMempolicy(MPOL_DEFAULT, []);
  }
}
