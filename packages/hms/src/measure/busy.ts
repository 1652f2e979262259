// Who else used the CPUs while something was measured.
import { readFileSync } from "node:fs";

/** What others may use without being named: a part of all CPUs. */
const OTHERS_MAX = 0.05;
const STOLEN_MAX = 0.02;
/** The kernel's clock of /proc/stat. */
const TICKS_PER_SECOND = 100;

interface Look {
  /** CPU time in seconds, of all CPUs, since boot. */
  readonly all: number;
  readonly busy: number;
  /** What the hypervisor did not give. */
  readonly stolen: number;
  readonly own: number;
}

/** Looks at the CPUs from now on. */
export class Bystanders {
  readonly #first: Look | null;
  readonly #read: () => string;

  /** @param read the content of /proc/stat; other for tests */
  constructor(read: () => string = () => readFileSync("/proc/stat", "utf8")) {
    this.#read = read;
    this.#first = this.#look();
  }

  /** What disturbed the CPUs since then, a sentence each. */
  warnings(): string[] {
    const first = this.#first;
    const now = this.#look();
    if (first === null || now === null || now.all <= first.all) return [];
    const all = now.all - first.all;
    const stolen = (now.stolen - first.stolen) / all;
    const others = (now.busy - first.busy - (now.own - first.own)) / all;
    const percent = (part: number): string => `${Math.round(part * 100)} %`;
    return [
      ...(others > OTHERS_MAX
        ? [
            `Other programs used ${percent(others)} of the CPUs meanwhile: what all CPUs of a node get together is too low, and the rest may be off; measure again when the machine is quiet.`,
          ]
        : []),
      ...(stolen > STOLEN_MAX
        ? [
            `The hypervisor took ${percent(stolen)} of the CPUs' time for other machines: the values are not those of the memory alone.`,
          ]
        : []),
    ];
  }

  #look(): Look | null {
    let text: string;
    try {
      text = this.#read();
    } catch {
      return null;
    }
    const line = /^cpu +(\d[\d ]*)$/m.exec(text)?.[1];
    if (line === undefined) return null;
    const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softirq = 0, stolen = 0] = line
      .trim()
      .split(/ +/)
      .map((ticks) => Number(ticks) / TICKS_PER_SECOND);
    const busy = user + nice + system + irq + softirq;
    const { user: ownUser, system: ownSystem } = process.cpuUsage();
    return { all: busy + idle + wait + stolen, busy, stolen, own: (ownUser + ownSystem) / 1e6 };
  }
}
