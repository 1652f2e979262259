import { assemble } from "./assemble/assemble.ts";
import { emptyFacts, type FactsDraft } from "./model/facts-draft.ts";
import type { Machine, MachineInput } from "./model/machine.ts";
import { SOURCES } from "./sources/mod.ts";
import type { Source } from "./sources/source.ts";
import type { FileTree } from "./tree/tree.ts";

/**
 * Reads a machine out of its files: every source in order, then the assembly.
 *
 * @param more sources that run after all others
 */
export function discoverTree(tree: FileTree, input: MachineInput, more: readonly Source[] = []): Machine {
  const facts: FactsDraft = emptyFacts();
  const warn = (path: string, message: string): void => {
    facts.warnings.push({ path, message });
  };
  for (const source of SOURCES) source.discover({ tree, facts, warn });
  for (const source of more) source.discover({ tree, facts, warn });
  facts.warnings.push(...tree.warnings);
  if (facts.processors.length === 0 && facts.nodes.length === 0 && facts.pci.length === 0)
    warn(
      "",
      "nothing of a machine was found: neither CPUs nor memory nor devices; is this a capture of one?",
    );
  return assemble(facts, input);
}
