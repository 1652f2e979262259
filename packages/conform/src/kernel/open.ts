import type { CaseHost } from "../host.ts";
import type { KernelHostOptions } from "./host.ts";

/**
 * The running kernel's own HMM test device as a host of cases. Foreign calls are loaded only now: other hosts do
 * without.
 *
 * @throws HmsError NO_TEST_DEVICE (ENODEV), NO_RIGHT (EACCES), NO_DAX (EOPNOTSUPP), with the remedy, where there is none.
 */
export async function kernelCaseHost(options: KernelHostOptions = {}): Promise<CaseHost> {
  const { KernelCaseHost } = await import("./host.ts");
  return new KernelCaseHost(options);
}
