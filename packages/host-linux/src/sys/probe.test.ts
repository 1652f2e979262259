import { equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { HmsError } from "@hms/topology";
import koffi from "koffi";
import { differences, haveGcc } from "../../../../tools/uapi.ts";
import * as abi from "./abi.generated.ts";
import { checkAbi, thisMachine } from "./abi.ts";
import { type Capabilities, limitation, NEEDED_FEATURES, probe, requireCapabilities } from "./probe.ts";
import { Scratch } from "./scratch.ts";
import { step } from "./testing/step.ts";

const HEADERS = "/usr/include";
const file = import.meta.filename;
const full: Capabilities = {
  kernel: "6.12.1",
  userfaultfd: "full",
  refused: 0,
  features: NEEDED_FEATURES,
  present: [],
  missing: [],
  move: true,
  writeProtectAsync: true,
  poison: true,
  pagemapScan: true,
  transparentHugePages: "madvise",
  unprivileged: 0,
  seccomp: false,
};

function expectRefused(found: Capabilities, code: string, words: RegExp): void {
  throws(
    () => requireCapabilities(found),
    (error) =>
      HmsError.is(error) &&
      error.code === code &&
      words.test(error.message) &&
      /^[^.]*(\.\S[^.]*)*\.$/.test(error.message),
  );
}

test("the layouts are those of the system's headers", { skip: haveGcc() ? false : "needs gcc" }, async () => {
  const lines = await differences(HEADERS);
  equal(lines.join("\n"), "");
});

test("another machine is refused in one sentence", () => {
  const machine = thisMachine();
  checkAbi();
  const refuse = (change: Partial<typeof machine>, words: RegExp) =>
    throws(
      () => checkAbi({ ...machine, ...change }),
      (error) => HmsError.is(error) && words.test(error.message),
    );
  refuse({ pageBytes: 65536 }, /4096 bytes and this kernel's are 65536/);
  refuse({ platform: "darwin" }, /needs Linux/);
  refuse({ arch: "riscv64" }, /riscv64/);
  refuse({ endianness: "BE" }, /little endian/);
});

test("each lack has its reason and remedy", () => {
  equal(requireCapabilities(full), full);
  equal(limitation(full), null);
  const old = { ...full, kernel: "6.1.0", features: NEEDED_FEATURES & ~abi.UFFD_FEATURE_MOVE };
  expectRefused(
    old,
    "KERNEL_TOO_OLD",
    /needs Linux 6\.8 or later and this is 6\.1\.0, without UFFD_FEATURE_MOVE;/,
  );
  expectRefused({ ...full, pagemapScan: false }, "KERNEL_TOO_OLD", /PAGEMAP_SCAN/);
  const none: Capabilities = {
    ...full,
    userfaultfd: "none",
    features: 0,
    refused: -abi.ENOSYS,
    unprivileged: null,
  };
  expectRefused(none, "NO_USERFAULTFD", /CONFIG_USERFAULTFD=y/);
  expectRefused({ ...none, unprivileged: 0, seccomp: true }, "NO_USERFAULTFD", /seccomp filter/);
  expectRefused(
    { ...none, refused: -abi.EPERM, unprivileged: 0, seccomp: true },
    "NO_USERFAULTFD",
    /seccomp filter/,
  );
  expectRefused({ ...none, refused: -abi.EACCES, unprivileged: 0 }, "NO_USERFAULTFD", /security policy/);
  expectRefused({ ...none, refused: -abi.EINVAL, unprivileged: 0 }, "NO_USERFAULTFD", /user-mode faults/);
  expectRefused({ ...none, refused: -abi.EMFILE, unprivileged: 0 }, "NO_DESCRIPTOR", /EMFILE.*ulimit -n/);
  expectRefused({ ...none, refused: -abi.ENOMEM, unprivileged: 0 }, "NO_USERFAULTFD", /ENOMEM; free memory/);
});

/** Makes the kernel answer userfaultfd(2) of this thread with an errno, as a container's filter does. */
function refuseUserfaultfd(errno: number): void {
  const prctl = koffi.load(null).func("int prctl(int, uint64_t, uint64_t, uint64_t, uint64_t)");
  const scratch = new Scratch();
  const program: readonly (readonly [code: number, yes: number, no: number, k: number])[] = [
    [0x20, 0, 0, 0], // load the number of the call
    [0x15, 0, 1, abi.__NR_userfaultfd],
    [0x06, 0, 0, 0x50000 | errno], // SECCOMP_RET_ERRNO
    [0x06, 0, 0, 0x7fff0000], // SECCOMP_RET_ALLOW
  ];
  for (const [i, [code, yes, no, k]] of program.entries()) {
    scratch.words[4 + 2 * i] = code | (yes << 16) | (no << 24);
    scratch.words[5 + 2 * i] = k;
  }
  scratch.put(0, program.length);
  scratch.put(8, scratch.address + 16);
  equal(prctl(38, 1, 0, 0, 0), 0); // PR_SET_NO_NEW_PRIVS
  equal(prctl(22, 2, scratch.address, 0, 0), 0); // PR_SET_SECCOMP, SECCOMP_MODE_FILTER
}

for (const [name, errno] of [
  ["EPERM", abi.EPERM],
  ["ENOSYS", abi.ENOSYS],
] as const) {
  step(
    file,
    `a seccomp filter that answers ${name} is told as such`,
    () => {
      refuseUserfaultfd(errno);
      const found = probe();
      equal(found.userfaultfd, "none");
      equal(found.refused, -errno);
      ok(found.seccomp);
      expectRefused(found, "NO_USERFAULTFD", /seccomp filter refuses userfaultfd/);
    },
    // With the right to open it, /dev/userfaultfd gets round the filter: an ordinary user has none.
    { uid: 65534, skip: probe().unprivileged === null && "this kernel has no userfaultfd" },
  );
}
