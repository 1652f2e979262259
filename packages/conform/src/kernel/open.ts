import type { CaseHost } from "../host.ts";

/**
 * The running kernel's own HMM test device as a host of cases. Foreign calls are loaded only now: other hosts do
 * without.
 *
 * @throws HmsError NO_TEST_DEVICE (ENODEV), NO_RIGHT (EACCES), with the remedy, where there is none.
 */
export async function kernelCaseHost(): Promise<CaseHost> {
  const { KernelCaseHost } = await import("./host.ts");
  return new KernelCaseHost();
}
