import type { CaseHost } from "../host.ts";

/**
 * The real host of this machine as a host of cases. Foreign calls are loaded only now: other hosts do without.
 *
 * @throws HmsError ENOSYS, EPERM, ENOTSUP when this machine does not allow it, with the remedy.
 */
export async function linuxCaseHost(): Promise<CaseHost> {
  const { LinuxCaseHost } = await import("./host.ts");
  return new LinuxCaseHost();
}
