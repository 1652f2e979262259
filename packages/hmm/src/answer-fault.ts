import type { Cause } from "./cause.ts";
import { COHERENT, EMPTY, EXCLUSIVE, HOST, KIND, LOST, MOVING, PRIVATE, SWAP, WRITE } from "./entry.ts";
import { EAGAIN, EFAULT, EIO, type Errno, OK } from "./errno.ts";
import type { Region } from "./region.ts";
import type { Space } from "./space.ts";
import type { PageIndex } from "./units.ts";

/** One step of a host's fault handler. OK: it is worth looking again. */
export type FaultStep<H> = (
  host: H,
  space: Space,
  region: Region,
  page: PageIndex,
  write: boolean,
  cause: Cause,
) => Errno;

/** What of a fault is a host's own business. */
export interface FaultSteps<H> {
  /** Nothing is there. */
  readonly populate: FaultStep<H>;
  readonly swapIn: FaultStep<H>;
  /** A write to a page that is there and not writable. */
  readonly write: FaultStep<H>;
  /** A device has the page; absent: that page alone comes home. */
  readonly bringHome?: FaultStep<H>;
}

/**
 * Looks at the entry of a page that was touched and does what it asks for: its host's step, or the core's. A host's
 * `fault` can be this; errnos as there.
 */
export function answerFault<H>(
  host: H,
  steps: FaultSteps<H>,
  space: Space,
  page: PageIndex,
  write: boolean,
  cause: Cause,
): Errno {
  if (space.closed) return EFAULT;
  const region = space.regions.at(page);
  if (region === null || !region.readable || (write && !region.writable)) return EFAULT;
  const flags = space.table.flagsAt(page);
  switch (flags & KIND) {
    case EMPTY:
      return steps.populate(host, space, region, page, write, cause);
    case SWAP:
      return steps.swapIn(host, space, region, page, write, cause);
    case PRIVATE:
      if (steps.bringHome === undefined) return space.core.bringHome(space, page, cause);
      return steps.bringHome(host, space, region, page, write, cause);
    case EXCLUSIVE:
      return space.core.restoreExclusive(space, page, cause);
    case MOVING:
      return EAGAIN;
    case LOST:
      return EIO;
    case HOST:
    case COHERENT:
      return write && (flags & WRITE) === 0 ? steps.write(host, space, region, page, write, cause) : OK;
    default:
      return EFAULT;
  }
}
