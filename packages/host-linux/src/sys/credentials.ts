import { SO_PEERCRED, SOL_SOCKET } from "./abi.generated.ts";
import { orThrow } from "./errno.ts";
import * as libc from "./libc.ts";
import { Scratch } from "./scratch.ts";

/** `struct ucred`: three 32-bit numbers. */
const UCRED_BYTES = 12;
const LENGTH_AT = 16;

/** Who is at the other end of a Unix socket, as the kernel noted when it was connected. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** The process at the other end of a connected Unix socket. Throws `NO_PEER` for what is none. */
export function peerCredentials(fd: number): PeerCredentials {
  using scratch = new Scratch();
  const { address, signed, words } = scratch;
  words[LENGTH_AT >>> 2] = UCRED_BYTES;
  const done = libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, address, address + LENGTH_AT);
  orThrow(
    done === 0 ? 0 : libc.failed(),
    "NO_PEER",
    `Asking who is at the other end of descriptor ${fd} failed`,
    "give a connected Unix socket",
  );
  return { pid: signed[0] ?? 0, uid: words[1] ?? 0, gid: words[2] ?? 0 };
}
