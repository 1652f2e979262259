import { CAUSE } from "./cause.ts";
import { COHERENT, HOST, KIND, NO_ACCESS, WRITE, ZERO } from "./entry.ts";
import { EAGAIN, EBUSY, EFAULT, EINVAL, EIO, ENOMEM, EOPNOTSUPP, type Errno, OK } from "./errno.ts";
import { LOCKED } from "./frame-table.ts";
import { FAULTS_PER_PAGE_LIMIT } from "./limits.ts";
import type { Space } from "./space.ts";
import { type FrameNumber, isRange, NO_FRAME, type PageIndex, ZERO_FRAME } from "./units.ts";

/** What a pin answers: the frame and 0, or NO_FRAME and the error. */
export interface Pinned {
  readonly errno: Errno;
  readonly frame: FrameNumber;
}

function failed(errno: Errno): Pinned {
  return { errno, frame: NO_FRAME };
}

/** Faults a page in and pins it where it may stay. */
export function pin(space: Space, page: PageIndex, options: { write: boolean; long: boolean }): Pinned {
  const { core } = space;
  if (!isRange(page, 1)) return failed(EINVAL);
  const region = space.regions.at(page);
  if (space.closed || region === null) return failed(EFAULT);
  // A file's storage may have to be given to another file: nobody holds it for long.
  if (options.long && region.kind === "dax") return failed(EOPNOTSUPP);
  if (!region.mirrorable || (options.write && !region.writable)) return failed(EFAULT);
  for (let attempt = 0; attempt < FAULTS_PER_PAGE_LIMIT; attempt++) {
    const flags = space.table.flagsAt(page);
    const kind = flags & KIND;
    const reachable = (kind === HOST || kind === COHERENT) && (flags & NO_ACCESS) === 0;
    if (!reachable || (options.write && (flags & WRITE) === 0)) {
      const errno = core.host.fault(space, page, options.write, CAUSE.pin);
      // What a CPU would get SIGBUS for is a bad address to whoever pins, as to get_user_pages.
      if (errno !== OK) return failed(errno === EIO ? EFAULT : errno);
    } else if (kind === COHERENT && options.long) {
      const errno = core.bringHome(space, page, CAUSE.pin);
      if (errno !== OK) return failed(errno === EAGAIN || errno === ENOMEM ? errno : EBUSY);
    } else {
      return pinFrame(space, page, flags);
    }
  }
  return failed(EBUSY);
}

function pinFrame(space: Space, page: PageIndex, flags: number): Pinned {
  const frame = space.table.frameAt(page);
  if ((flags & ZERO) !== 0) return { errno: OK, frame: ZERO_FRAME };
  const frames = space.core.memories.tableOf(frame);
  if (frames.is(frame - frames.base, LOCKED)) return failed(EAGAIN);
  return frames.pin(frame - frames.base) ? { errno: OK, frame } : failed(ENOMEM);
}
