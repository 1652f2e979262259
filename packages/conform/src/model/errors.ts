import { type Errno, errnoName, OK } from "@hms/hmm";
import { HmsError } from "@hms/topology";

/** Throws what a system call answers, if that is an error. */
export function expectOk(errno: Errno, call: string): void {
  if (errno === OK) return;
  const name = errnoName(errno);
  throw new HmsError(name ?? "CALL_FAILED", name, `${call} failed with ${name ?? errno}`);
}

/** Throws the signal that ends a CPU access, if there is one. */
export function expectAccess(errno: Errno, access: string): void {
  if (errno === OK) return;
  const name = errnoName(errno);
  const signal = name === "EFAULT" ? "SIGSEGV" : name === "EIO" ? "SIGBUS" : (name ?? "ACCESS_FAILED");
  throw new HmsError(signal, name, `the CPU's ${access} ended with ${signal}`);
}
