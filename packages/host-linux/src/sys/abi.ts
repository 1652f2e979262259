// What must hold before a single call is made. The kernel's part of the same question is the handshake of
// `Userfaultfd.open`.
import { endianness } from "node:os";
import { HmsError } from "@hms/topology";
import * as abi from "./abi.generated.ts";
import { pageBytes } from "./libc.ts";
import { PAGE_BYTES } from "./units.ts";

const SIZED: readonly (readonly [name: string, request: number, bytes: number])[] = [
  ["UFFDIO_API", abi.UFFDIO_API, abi.uffdioApi.bytes],
  ["UFFDIO_REGISTER", abi.UFFDIO_REGISTER, abi.uffdioRegister.bytes],
  ["UFFDIO_UNREGISTER", abi.UFFDIO_UNREGISTER, abi.uffdioRange.bytes],
  ["UFFDIO_WAKE", abi.UFFDIO_WAKE, abi.uffdioRange.bytes],
  ["UFFDIO_COPY", abi.UFFDIO_COPY, abi.uffdioCopy.bytes],
  ["UFFDIO_ZEROPAGE", abi.UFFDIO_ZEROPAGE, abi.uffdioZeropage.bytes],
  ["UFFDIO_MOVE", abi.UFFDIO_MOVE, abi.uffdioMove.bytes],
  ["UFFDIO_WRITEPROTECT", abi.UFFDIO_WRITEPROTECT, abi.uffdioWriteprotect.bytes],
  ["UFFDIO_CONTINUE", abi.UFFDIO_CONTINUE, abi.uffdioContinue.bytes],
  ["UFFDIO_POISON", abi.UFFDIO_POISON, abi.uffdioPoison.bytes],
  ["PAGEMAP_SCAN", abi.PAGEMAP_SCAN, abi.pmScanArg.bytes],
];

/** Bits of an ioctl's number that say how large its argument is. */
const sizeOf = (request: number): number => (request >>> 16) & 0x3fff;

/** The machine as the check sees it; tests hand in others. */
export interface Machine {
  readonly platform: string;
  readonly arch: string;
  readonly endianness: string;
  readonly pageBytes: number;
}

/** The machine that runs. */
export const thisMachine = (): Machine => ({
  platform: process.platform,
  arch: process.arch,
  endianness: endianness(),
  pageBytes: pageBytes(),
});

/** Throws `ABI_MISMATCH` unless the machine is one that the generated layouts hold for. */
export function checkAbi(machine: Machine = thisMachine()): void {
  const { platform, arch, pageBytes: found } = machine;
  if (platform !== "linux" || (arch !== "x64" && arch !== "arm64") || machine.endianness !== "LE") {
    const here = `${platform} on ${arch} (${machine.endianness})`;
    throw new HmsError(
      "ABI_MISMATCH",
      "ENOSYS",
      `The linux host needs Linux on x64 or arm64, little endian, and this is ${here}; use the simulated host (--host model).`,
    );
  }
  if (found !== PAGE_BYTES) {
    throw new HmsError(
      "ABI_MISMATCH",
      "EINVAL",
      `The linux host needs pages of ${PAGE_BYTES} bytes and this kernel's are ${found}; boot a kernel with 4 KiB pages.`,
    );
  }
  for (const [name, request, bytes] of SIZED) {
    if (sizeOf(request) === bytes) continue;
    throw new HmsError(
      "ABI_MISMATCH",
      "EINVAL",
      `The argument of ${name} has ${bytes} bytes and its number says ${sizeOf(request)}; run tools/uapi.ts again.`,
    );
  }
}
