import type { Attachment, BridgeFact, InitiatorFact, LinkFact, TargetFact } from "../model/facts.ts";
import { OBJECT_VERSION } from "../model/object-version.ts";
import { propertiesKey, UNKNOWN_PROPERTIES } from "./properties.ts";

/**
 * Devices that hang on a slot near some CPUs: one link for those with the same slot properties and the same CPUs
 * near, and a bridge from it to each link of those CPUs, for these devices only. What a bridge costs is already in
 * the slot's numbers, so it states nothing of its own.
 */
export function attachmentFacts(
  attachments: readonly Attachment[],
  links: readonly LinkFact[],
  initiators: readonly InitiatorFact[],
  targets: ReadonlyMap<string, TargetFact>,
): { links: LinkFact[]; bridges: BridgeFact[] } {
  const cpus = initiators.filter((fact) => fact.type === "cpu").map((fact) => fact.id);
  const groups = new Map<string, { attachment: Attachment; near: readonly string[]; members: string[] }>();
  for (const attachment of attachments) {
    const known = attachment.near.filter((id) => cpus.includes(id));
    const near = known.length > 0 ? known : cpus;
    const key = `${attachment.medium};${near.join()};${propertiesKey(attachment.properties)}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { attachment, near, members: [attachment.initiator] });
    else group.members.push(attachment.initiator);
  }
  const result: { links: LinkFact[]; bridges: BridgeFact[] } = { links: [], bridges: [] };
  for (const { attachment, near, members } of groups.values()) {
    const { medium, properties } = attachment;
    const id = `slot${result.links.length}`;
    result.links.push({ id, version: OBJECT_VERSION, medium, initiators: members, targets: [], properties });
    for (const link of links) {
      if (!leadsToHostMemory(link, targets) || !link.initiators.some((initiator) => near.includes(initiator)))
        continue;
      result.bridges.push({
        id: `bridge${result.bridges.length}`,
        version: OBJECT_VERSION,
        medium,
        links: [id, link.id],
        initiators: members,
        properties: UNKNOWN_PROPERTIES,
      });
    }
  }
  return result;
}

/**
 * Memory of the host only (nodes, DAX, persistent and CXL memory): that a CPU can map a device's own memory does not
 * say that another device can.
 */
function leadsToHostMemory(link: LinkFact, targets: ReadonlyMap<string, TargetFact>): boolean {
  return (
    link.targets.length > 0 &&
    link.targets.every((id) => /^node\d+$/.test(id) || targets.get(id)?.device === null)
  );
}
