import type { Facts } from "./facts.ts";

/** Facts while they are being gathered: each source adds to the lists, and a later one may replace an entry. */
export type FactsDraft = {
  -readonly [K in keyof Facts]: Facts[K] extends readonly (infer T)[] ? T[] : Record<string, string>;
};

export function emptyFacts(): FactsDraft {
  return {
    info: {},
    processors: [],
    groups: [],
    caches: [],
    cpuKinds: [],
    nodes: [],
    distances: [],
    tiers: [],
    pci: [],
    devices: [],
    dax: [],
    pmem: [],
    cxlMemdevs: [],
    cxlDecoders: [],
    cxlRegions: [],
    kfdAgents: [],
    kfdLinks: [],
    initiatorFacts: [],
    targetFacts: [],
    reaches: [],
    attachments: [],
    linkFacts: [],
    bridgeFacts: [],
    warnings: [],
  };
}
