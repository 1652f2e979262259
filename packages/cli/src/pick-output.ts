import { type Best, units } from "@hms/topology/lazy";
import type { Console } from "./command.ts";
import { printable } from "./printable.ts";
import { twoColumns } from "./wrap.ts";

/** Bandwidth in bytes/s, latency in ns, free in bytes; null where unknown. */
export function pickJson(found: Best): string {
  const targets = found.targets.map(({ target, bandwidth, latency, free, why }) => ({
    id: target.id,
    numaNode: target.numaNode,
    bandwidth,
    latency,
    free,
    why,
  }));
  const refused = found.refused.map(({ target, why }) => ({ id: target.id, why }));
  return `${JSON.stringify({ targets, refused }, null, 2)}\n`;
}

export interface Request {
  readonly by: string;
  readonly size: number | null;
  readonly machine: string;
}

/** The list for a person: what to use first, and what not at all. */
export async function pickText(
  found: Best,
  request: Request,
  console: Pick<Console, "colour" | "width">,
): Promise<string> {
  const { formatSize } = await units();
  const bold = (text: string): string => (console.colour ? `\x1b[1m${text}\x1b[22m` : text);
  const names = found.initiators.map((one) => one.id).join(" and ");
  const room = request.size === null ? "" : `, with room for ${formatSize(request.size)}`;
  const lines = [bold(printable(`${request.machine}: memory for ${names} by ${request.by}${room}`)), ""];
  const places = found.targets.map(({ target, free, why }, i): [string, string] => [
    printable(`${i + 1}. ${target.id}`),
    printable(
      `${free === null ? (target.size === null ? "room unknown" : `${formatSize(target.size)} in all`) : `${formatSize(free)} free`}, ${why}`,
    ),
  ]);
  lines.push(places.length === 0 ? "  none" : twoColumns(places, console.width));
  if (found.refused.length > 0) {
    const refused = found.refused.map(({ target, why }): [string, string] => [
      printable(target.id),
      printable(why),
    ]);
    lines.push("", bold("Not usable"), "", twoColumns(refused, console.width));
  }
  return `${lines.join("\n")}\n`;
}
