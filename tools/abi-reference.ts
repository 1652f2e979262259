import { CORE, queryRegistry, type RegistryInfo } from "@hms/uabi";

type Method = RegistryInfo["objects"][number]["methods"][number];
type Attribute = Method["attributes"][number];
type Type = RegistryInfo["types"][number];

/** The reference page of the interface, docs/reference/abi.md. */
export function referencePage(): string {
  const info = queryRegistry(CORE);
  const objects = info.objects.map(
    (object) =>
      `## ${object.name} (${object.id})\n\n${object.doc}\n\n${object.methods.map((method) => methodText(object.name, method)).join("\n")}`,
  );
  const types = [...info.types].sort((a, b) => (a.name < b.name ? -1 : 1)).map(typeText);
  return `# The interface: objects, methods, attributes

Generated from packages/uabi/src/registry by \`node tools/abi.ts\`; do not edit. Revision ${info.revision}. [concepts/interface.md](../concepts/interface.md) says how messages are laid out and which rules hold. \`hms abi\` prints the same, and the method \`context.query\` tells it to programs. Everything came with revision 1 where nothing else is said.

"In" is what a client sends, "out" what the service writes. **Bold**: must be there, or is always written. A hint may be left aside by a service that does not know it.

${objects.join("\n")}
## Types

${types.join("\n")}`;
}

function methodText(object: string, method: Method): string {
  return `### ${object}.${method.name} (${method.id})${since(method.since)}\n\n${method.doc}\n\n${attributeTable(method.attributes)}`;
}

function attributeTable(attributes: readonly Attribute[], directions = true): string {
  if (attributes.length === 0) return "No attributes.\n";
  const rows = attributes.map((attribute) => {
    const name = attribute.required ? `**${attribute.name}**` : attribute.name;
    const direction = attribute.output ? "out" : attribute.hint ? "in, hint" : "in";
    const cells = [`${attribute.id}`, name, ...(directions ? [direction] : []), attribute.type];
    return `| ${cells.join(" | ")} | ${attribute.doc}${since(attribute.since)} |`;
  });
  return directions
    ? `| id | name | | type | |\n|---|---|---|---|---|\n${rows.join("\n")}\n`
    : `| id | name | type | |\n|---|---|---|---|\n${rows.join("\n")}\n`;
}

function typeText(type: Type): string {
  const title = `### ${type.name} (${type.kind})${since(type.since)}\n\n${type.doc}\n\n`;
  if (type.attributes !== undefined) return `${title}${attributeTable(type.attributes, false)}`;
  const values = type.values ?? [];
  if (type.kind === "struct") {
    const rows = values.map(
      ({ name, value, type: of = "", doc, since: came }) =>
        `| ${value} | ${name} | ${of} | ${doc}${since(came)} |`,
    );
    return `${title}| byte | name | type | |\n|---|---|---|---|\n${rows.join("\n")}\n`;
  }
  const rows = values.map(
    ({ name, value, doc, since: came }) => `| ${value} | ${name} | ${doc}${since(came)} |`,
  );
  return `${title}| value | name | |\n|---|---|---|\n${rows.join("\n")}\n`;
}

function since(revision: number): string {
  return revision === 1 ? "" : ` Since revision ${revision}.`;
}
