// A guest: booted, watched, ended. Nothing of it is left, whatever happens.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LabMachine, nodesOf } from "./machine.ts";
import { machineArguments } from "./qemu-arguments.ts";
import { atLeast, type Lab, REPOSITORY } from "./setup.ts";

/** What a guest is asked to do. */
export interface GuestOptions {
  readonly machine: LabMachine;
  /** A shell script, run as root in the guest. */
  readonly payload: string;
  /** Everything is over after so long. */
  readonly limitMs: number;
  /** What the payload writes, as it comes. */
  readonly onOutput: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** How a guest ended. */
export interface GuestEnd {
  /** The payload's exit code; 124 when time ran out, 125 when the guest died. */
  readonly code: number;
  readonly seconds: number;
  /** The last lines of the console when the guest died. */
  readonly console: string;
}

export const CODE_TIME = 124;
export const CODE_DIED = 125;
/** Lines of the console that are shown of a guest that died. */
const CONSOLE_LINES = 25;

/** Why this lab cannot be that machine; null: it can. */
export function lacking(lab: Lab, machine: LabMachine): string | null {
  const [major, minor] = machine.qemuMin;
  if (lab.qemus.some(({ version }) => atLeast(version, machine.qemuMin))) return null;
  return `the machine ${machine.name} needs QEMU ${major}.${minor}, and here is ${lab.qemus[0]?.version.join(".")}`;
}

/** Boots a machine and runs the payload in it. */
export async function boot(lab: Lab, options: GuestOptions): Promise<GuestEnd> {
  const { machine, payload, limitMs, onOutput, signal } = options;
  const qemu = lab.qemus.find(({ version }) => atLeast(version, machine.qemuMin));
  if (qemu === undefined) throw new Error(lacking(lab, machine) ?? "");
  const folder = mkdtempSync(join(tmpdir(), "hms-lab-"));
  try {
    writeFileSync(join(folder, "payload.sh"), payload);
    writeFileSync(join(folder, "paths"), [REPOSITORY, process.execPath, ""].join("\n"));
    writeFileSync(join(folder, "modules"), lab.modules);
    writeFileSync(join(folder, "machine.json"), JSON.stringify(described(machine)));
    // QEMU goes when this process does, even by a signal that cannot be handled.
    const args = ["--pdeathsig", "KILL", qemu.command, ...qemu.arguments];
    args.push(...guestArguments(lab, machine, folder));
    const started = performance.now();
    const env = { ...process.env, ...qemu.environment };
    // An input that is open and silent: a port whose other end is closed takes no output.
    const child = spawn("setpriv", args, { env, stdio: ["pipe", "pipe", "pipe"] });
    const kill = () => child.kill("SIGKILL");
    signal?.addEventListener("abort", kill);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      kill();
    }, limitMs);
    child.stdout.setEncoding("utf8").on("data", onOutput);
    let complaint = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint = (complaint + text).slice(-4096);
    });
    await new Promise<void>((done, fail) => child.on("close", () => done()).on("error", fail));
    clearTimeout(timer);
    signal?.removeEventListener("abort", kill);
    const seconds = (performance.now() - started) / 1000;
    return { ...ended(folder, late, complaint), seconds };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function ended(folder: string, late: boolean, complaint: string): Omit<GuestEnd, "seconds"> {
  const path = join(folder, "exit");
  if (existsSync(path)) return { code: Number.parseInt(readFileSync(path, "utf8"), 10), console: "" };
  const log = join(folder, "console");
  const text = existsSync(log) ? readFileSync(log, "utf8").replaceAll("\r", "") : "";
  const last = `${complaint}${text}`.trimEnd().split("\n").slice(-CONSOLE_LINES).join("\n");
  return { code: late ? CODE_TIME : CODE_DIED, console: last };
}

/** What tests in the guest know of the machine. */
function described(machine: LabMachine): unknown {
  return {
    ...machine,
    attached: Object.fromEntries(machine.attached),
    nodes: Object.fromEntries(nodesOf(machine)),
  };
}

function guestArguments(lab: Lab, machine: LabMachine, folder: string): string[] {
  const kernel = [
    "console=ttyS0 panic=-1 oops=panic quiet loglevel=4",
    // Emulation: clocks as they are, nothing measured at boot, no address layout to differ between two runs.
    "tsc=reliable lpj=10000000 nokaslr mitigations=off random.trust_cpu=on",
    machine.kernelArguments,
  ].join(" ");
  const share = (id: string, path: string, more: string) => [
    ...["-fsdev", `local,id=${id},path=${path},security_model=none,multidevs=remap${more}`],
    ...["-device", `virtio-9p-pci,bus=pcie.0,fsdev=${id},mount_tag=${id}`],
  ];
  return [
    ...["-accel", "tcg,thread=multi,tb-size=512"],
    // CXL regions are not made under a hypervisor; five levels of page tables only cost time; with protection keys V8
    // takes a way that loses count of its own code now and then (nodejs/node#64500).
    ...["-cpu", "max,la57=off,hypervisor=off,pku=off"],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...["-chardev", `file,id=console,path=${join(folder, "console")}`, "-serial", "chardev:console"],
    ...["-kernel", lab.kernel, "-initrd", lab.initrd, "-append", kernel],
    ...machineArguments(machine, folder),
    ...share("lab", folder, ""),
    ...share("root", "/", ",readonly=on"),
    ...["-device", "virtio-rng-pci,bus=pcie.0", "-device", "virtio-serial-pci,bus=pcie.0,id=ports"],
    ...["-chardev", "stdio,id=out,signal=off"],
    ...["-device", "virtserialport,bus=ports.0,chardev=out,name=lab.out"],
  ];
}
