// What the lab is made of, found or made ready: QEMU, the guest's kernel, its first file system, and tools for the
// guest, which sees the root of the machine that boots it.
import { spawnSync } from "node:child_process";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { arch, platform } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { initramfs } from "./initramfs.ts";

/** The root of the repository. */
export const REPOSITORY: string = resolve(import.meta.dirname, "../..");
/** Where the lab keeps what it unpacked. */
const CACHE = join(REPOSITORY, ".cache/lab");
/** The kept kernel: built with DEVICE_PRIVATE, TEST_HMM and GUP_TEST, which no distribution's kernel has. */
const KERNEL_ARCHIVE = resolve(REPOSITORY, "../shared/vmlab/labk.tar.xz");

/** Commands that the lab or its tests need, and the Debian package of each. */
const TOOLS: readonly (readonly [command: string, debianPackage: string])[] = [
  ["qemu-system-x86_64", "qemu-system-x86"],
  ["busybox", "busybox-static"],
  ["xz", "xz-utils"],
  ["ndctl", "ndctl"],
  ["daxctl", "daxctl"],
  ["mkfs.ext4", "e2fsprogs"],
  ["mkfs.xfs", "xfsprogs"],
  ["lstopo-no-graphics", "hwloc"],
  ["migratepages", "numactl"],
];
/** Without these there is no lab; without one of the others, the tests that need it are skipped. */
const NEEDED: ReadonlySet<string> = new Set(["qemu-system-x86_64", "busybox", "xz"]);

/** A QEMU that can be started. */
export interface Qemu {
  readonly command: string;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly version: readonly [major: number, minor: number];
}

/** Everything that a guest is booted from. */
export interface Lab {
  /** The newest first. */
  readonly qemus: readonly Qemu[];
  readonly kernel: string;
  /** What the guest sees as /lib/modules: the kernel's HMM test driver is there. */
  readonly modules: string;
  readonly initrd: string;
}

/** What making ready may do and tell. */
export interface SetupOptions {
  /** May install Debian packages, and fetch a newer QEMU. */
  readonly install: boolean;
  readonly say: (line: string) => void;
}

/** The lab, ready; or one sentence that says what is missing and what to do. */
export function prepare({ install, say }: SetupOptions): Lab | string {
  if (platform() !== "linux" || arch() !== "x64")
    return `the lab's kernel is for Linux on x64, and this is ${platform()} on ${arch()}`;
  if (!existsSync(KERNEL_ARCHIVE)) return `the lab's kernel is not here: ${KERNEL_ARCHIVE}`;
  if (install) {
    const failure = installTools(say);
    if (failure !== null) return failure;
  }
  const missing = TOOLS.filter(([command]) => NEEDED.has(command) && find(command) === null);
  if (missing.length > 0) {
    const names = missing.map(([, debianPackage]) => debianPackage).join(", ");
    return `the lab needs ${names}: npm run lab -- --setup installs ${missing.length === 1 ? "it" : "them"} (as root)`;
  }
  const busybox = readFileSync(find("busybox") ?? "");
  if (!isStatic(busybox)) return "the lab needs a busybox without shared libraries: install busybox-static";
  mkdirSync(CACHE, { recursive: true });
  const kernel = unpackKernel(say);
  const initrd = join(CACHE, "initrd.cpio");
  const init = readFileSync(join(import.meta.dirname, "guest-init.sh"), "utf8");
  // Whole or not at all: another guest may be booting from it.
  writeFileSync(`${initrd}.${process.pid}`, initramfs(busybox, init));
  renameSync(`${initrd}.${process.pid}`, initrd);
  const qemus = findQemus(install, say);
  if (qemus.length === 0) return "QEMU does not start: qemu-system-x86_64 --version fails";
  return { qemus, kernel: join(kernel, "vmlinux"), modules: join(kernel, "lib/modules"), initrd };
}

/** The path of a command, looked for where an administrator's are too. */
function find(command: string): string | null {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  for (const folder of folders) {
    const path = join(folder, command);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // The next one.
    }
  }
  return null;
}

/** An ELF program without an interpreter needs no library. */
function isStatic(program: Buffer): boolean {
  const PT_INTERP = 3;
  if (program.length < 64 || program.readUInt32BE(0) !== 0x7f454c46) return false;
  const start = Number(program.readBigUInt64LE(32));
  const bytes = program.readUInt16LE(54);
  for (let i = 0; i < program.readUInt16LE(56); i++) {
    if (program.readUInt32LE(start + i * bytes) === PT_INTERP) return false;
  }
  return true;
}

function unpackKernel(say: SetupOptions["say"]): string {
  const folder = join(CACHE, "kernel");
  if (existsSync(join(folder, "labk/vmlinux"))) return join(folder, "labk");
  say("unpacking the guest's kernel");
  const fresh = `${folder}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  run("tar", ["-xJf", KERNEL_ARCHIVE, "-C", fresh, "--no-same-owner"]);
  rmSync(folder, { recursive: true, force: true });
  renameSync(fresh, folder);
  return join(folder, "labk");
}

interface Ran {
  readonly good: boolean;
  readonly out: string;
}

function attempt(command: string, args: readonly string[], options: { cwd?: string } = {}): Ran {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" };
  const done = spawnSync(command, args, { encoding: "utf8", env, maxBuffer: 1 << 26, ...options });
  return {
    good: done.status === 0,
    out: `${done.stdout ?? ""}${done.stderr ?? ""}${done.error?.message ?? ""}`,
  };
}

function run(command: string, args: readonly string[]): void {
  const { good, out } = attempt(command, args);
  if (!good) throw new Error(`${command} ${args.join(" ")} failed: ${out.trim()}`);
}

/** A package lock that another program holds is waited for. */
const APT = ["-q", "-o", "DPkg::Lock::Timeout=300"];

function installTools(say: SetupOptions["say"]): string | null {
  const names = TOOLS.filter(([command]) => find(command) === null).map(([, debianPackage]) => debianPackage);
  if (names.length === 0) return null;
  if (process.getuid?.() !== 0)
    return `the lab needs ${names.join(", ")}: install them as root (apt-get install)`;
  if (find("apt-get") === null)
    return `the lab needs ${names.join(", ")}, and there is no apt-get to install them`;
  say(`installing ${names.join(", ")} (apt-get)`);
  attempt("apt-get", [...APT, "update"]);
  const { good, out } = attempt("apt-get", [...APT, "install", "-y", "--no-install-recommends", ...names]);
  return good ? null : `apt-get could not install ${names.join(", ")}: ${out.trim().split("\n").at(-1)}`;
}

/** The oldest QEMU that can be every machine of the lab. */
const WANTED: Qemu["version"] = [9, 2];

export function atLeast(version: Qemu["version"], wanted: Qemu["version"]): boolean {
  return version[0] > wanted[0] || (version[0] === wanted[0] && version[1] >= wanted[1]);
}

function findQemus(install: boolean, say: SetupOptions["say"]): Qemu[] {
  const installed = started(find("qemu-system-x86_64") ?? "", [], {});
  if (installed !== null && atLeast(installed.version, WANTED)) return [installed];
  const folder = join(CACHE, "qemu");
  if (install && !existsSync(folder)) fetchQemu(folder, say);
  const share = join(folder, "usr/share");
  const unpacked = started(
    join(folder, "usr/bin/qemu-system-x86_64"),
    ["-L", join(share, "qemu"), "-L", join(share, "seabios")],
    { QEMU_MODULE_DIR: join(folder, "usr/lib/x86_64-linux-gnu/qemu") },
  );
  return [unpacked, installed].filter((one) => one !== null);
}

function started(command: string, args: readonly string[], environment: Record<string, string>): Qemu | null {
  if (!existsSync(command)) return null;
  const { good, out } = attempt(command, ["--version"]);
  const version = /version (\d+)\.(\d+)/.exec(out);
  if (!good || version === null) return null;
  return { command, arguments: args, environment, version: [Number(version[1]), Number(version[2])] };
}

const QEMU_PACKAGES = ["qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios"];

/**
 * Unpacks the QEMU of Debian's backports beside the installed one, whose libraries it uses. The machine's own package
 * sources stay as they are. Without success the machines that need it are skipped.
 */
function fetchQemu(folder: string, say: SetupOptions["say"]): void {
  const work = `${folder}.${process.pid}`;
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  const targets = attempt("apt-get", ["indextargets", "--format", "$(REPO_URI) $(RELEASE)"]).out;
  const mirror = targets
    .split("\n")
    .find((line) => line.endsWith(` ${codename}`))
    ?.split(" ")[0];
  if (codename === undefined || mirror === undefined) return;
  say(`fetching a newer QEMU (${codename}-backports), unpacked in ${folder}`);
  mkdirSync(join(work, "lists/partial"), { recursive: true });
  mkdirSync(join(work, "cache/archives/partial"), { recursive: true });
  mkdirSync(join(work, "packages"));
  const key = "/usr/share/keyrings/debian-archive-keyring.gpg";
  writeFileSync(join(work, "sources.list"), `deb [signed-by=${key}] ${mirror} ${codename}-backports main\n`);
  const own = [
    ...["-o", `Dir::Etc::SourceList=${join(work, "sources.list")}`, "-o", "Dir::Etc::SourceParts=/dev/null"],
    ...["-o", `Dir::State::Lists=${join(work, "lists")}`, "-o", `Dir::Cache=${join(work, "cache")}`],
    ...["-o", "Acquire::Languages=none", "-o", "APT::Sandbox::User=root"],
  ];
  const packages = QEMU_PACKAGES.map((name) => `${name}/${codename}-backports`);
  const done =
    attempt("apt-get", [...own, "-qq", "update"]).good &&
    attempt("apt-get", [...own, "-qq", "download", ...packages], { cwd: join(work, "packages") }).good &&
    readdirSync(join(work, "packages")).every(
      (name) => attempt("dpkg", ["-x", join(work, "packages", name), join(work, "tree")]).good,
    );
  if (done) renameSync(join(work, "tree"), folder);
  else say("a newer QEMU could not be fetched: the machine with CXL is skipped");
  rmSync(work, { recursive: true, force: true });
}
