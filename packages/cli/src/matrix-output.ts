import type { Machine } from "./input.ts";

/**
 * The matrix for programs: a cell for each pair with a way from the initiator to the target. Bandwidth in bytes/s,
 * latency in ns, null where unknown; a pair without a cell is out of reach.
 */
export async function matrixJson(machine: Machine, by: "bandwidth" | "latency"): Promise<string> {
  const { matrix } = await import("@hms/topology/lazy");
  const table = await matrix(machine, by);
  const cells = table.initiators.flatMap((initiator, i) =>
    table.targets.flatMap((target, t) => {
      const path = table.at(i, t);
      if (path === null) return [];
      return [
        {
          initiator: initiator.id,
          target: target.id,
          bandwidth: path.bandwidth.value,
          latency: path.latency.value,
        },
      ];
    }),
  );
  const ids = (objects: readonly { readonly id: string }[]): string[] => objects.map((one) => one.id);
  const whole = { by, initiators: ids(table.initiators), targets: ids(table.targets), cells };
  return `${JSON.stringify(whole, null, 2)}\n`;
}
