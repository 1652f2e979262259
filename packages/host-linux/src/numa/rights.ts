// What the calling thread may do, as far as placement asks for it.
import { readText } from "./files.ts";

const STATUS = "/proc/thread-self/status";
/** Numbers of capabilities, as in linux/capability.h. */
const CAP_SYS_NICE = 23;

/** Whether a seccomp filter restricts the calling thread, as in most containers. */
export function underSeccomp(): boolean {
  return /^Seccomp:\s*[12]$/m.test(readText(STATUS) ?? "");
}

/** Whether the calling thread has CAP_SYS_NICE: it may move pages that other processes map too. */
export function hasSysNice(): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(readText(STATUS) ?? "")?.[1];
  return mask !== undefined && ((BigInt(`0x${mask}`) >> BigInt(CAP_SYS_NICE)) & 1n) === 1n;
}
