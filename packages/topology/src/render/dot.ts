import type { LinkMedium } from "../model/facts.ts";
import type { Initiator, Link, Machine, Target } from "../model/machine.ts";
import { formatSize } from "../model/units.ts";
import { KIND_COLOURS, MEDIUM_COLOURS } from "./colours.ts";
import { saysSomething } from "./link-section.ts";
import { Survey, shortName } from "./survey.ts";
import {
  bandwidthText,
  CLASS_WORDS,
  clean,
  count,
  KIND_WORDS,
  latencyText,
  linkNotes,
  MEDIUM_WORDS,
  UNKNOWN,
} from "./words.ts";

/** Members of a link that are drawn, at most: a graph of more edges than that is read by nobody. */
const LINK_MEMBERS_MAX = 128;
/** Edges of the graph, at most. */
const EDGES_MAX = 20_000;

/**
 * A machine as a graph for Graphviz: targets (boxes), initiators (ellipses), links (points with their numbers) and
 * bridges (diamonds), in clusters by NUMA node. Undirected edges say what is on a link; `layout` is left to the caller
 * (`dot` and `fdp` both do). The same machine gives the same bytes.
 *
 * @returns a document in the DOT language
 *
 * @example
 * ```ts
 * import { discoverLive, renderDot } from "@hms/topology";
 * renderDot(discoverLive()).startsWith("graph"); // true
 * ```
 */
export function renderDot(machine: Machine): string {
  const survey = new Survey(machine);
  const lines = [
    `graph ${quoted(clean(machine.name, 80))} {`,
    `  label=${quoted(clean(machine.name, 80))}; labelloc=t; fontsize=18; fontname="Helvetica,sans-serif"; compound=true;`,
    '  node [fontname="Helvetica,sans-serif", fontsize=11]; edge [fontname="Helvetica,sans-serif", fontsize=9, color="#878787"];',
    ...clusters(survey),
  ];
  const edges: string[] = [];
  let left = 0;
  for (const link of machine.links) {
    lines.push(`  ${linkNode(link)}`);
    const members = [...link.initiators.map((uid) => `i${uid}`), ...link.targets.map((uid) => `t${uid}`)];
    const shown = edges.length >= EDGES_MAX ? [] : members.slice(0, LINK_MEMBERS_MAX);
    left += members.length - shown.length;
    for (const member of shown)
      edges.push(`  ${member} -- l${link.uid} [color="${MEDIUM_COLOURS[link.medium]}"];`);
  }
  for (const bridge of machine.bridges) {
    if (edges.length >= EDGES_MAX) {
      left += 2;
      continue;
    }
    const label = saysSomething(bridge) ? numbers(bridge.medium, bridge.properties) : "";
    const users = bridge.initiators
      .map((uid) => survey.initiators.get(uid))
      .filter((one) => one !== undefined);
    const tooltip = `bridge for ${users.slice(0, 8).map(shortName).join(", ")}${users.length > 8 ? ", …" : ""}`;
    lines.push(
      `  b${bridge.uid} [shape=diamond, width=0.25, height=0.2, fixedsize=${label === "" ? "true" : "false"}, label=${quoted(label)}, tooltip=${quoted(tooltip)}, color="${MEDIUM_COLOURS[bridge.medium]}"];`,
    );
    const [from, to] = bridge.links;
    edges.push(`  l${from} -- b${bridge.uid} -- l${to} [style=dashed];`);
  }
  if (left > 0) lines.push(`  more [shape=plaintext, label=${quoted(`${count(left, "edge")} not drawn`)}];`);
  return `${[...lines, ...edges, "}"].join("\n")}\n`;
}

/** Targets and initiators, those of one NUMA node in a cluster. */
function clusters(survey: Survey): string[] {
  const { machine } = survey;
  const byNode = new Map<number | null, string[]>();
  const put = (node: number | null, line: string): void => {
    const list = byNode.get(node);
    if (list === undefined) byNode.set(node, [line]);
    else list.push(line);
  };
  for (const initiator of machine.initiators) put(initiator.numaNode, initiatorNode(initiator));
  for (const target of machine.targets) {
    const owner = survey.owner(target);
    // A memory without CPUs is near those of another node, but is a node of its own: it keeps its own cluster.
    put(target.numaNode ?? owner?.numaNode ?? null, targetNode(target));
  }
  const nodes = [...byNode.keys()].filter((node) => node !== null).sort((a, b) => a - b);
  const boxed = nodes.flatMap((node) => [
    `  subgraph cluster_node${node} {`,
    `    label="node${node}"; style=rounded; color="#b4c0cc"; fontsize=11;`,
    ...(byNode.get(node) ?? []).map((line) => `    ${line}`),
    "  }",
  ]);
  return [...boxed, ...(byNode.get(null) ?? []).map((line) => `  ${line}`)];
}

function initiatorNode(initiator: Initiator): string {
  const label = [`${CLASS_WORDS[initiator.class]} ${shortName(initiator)}`];
  if (initiator.class === "cpu" && initiator.cpus.size > 0) label.push(count(initiator.cpus.size, "CPU"));
  else if (initiator.label !== null) label.push(clean(initiator.label, 32));
  return `i${initiator.uid} [shape=ellipse, label=${quoted(label.join("\n"))}];`;
}

function targetNode(target: Target): string {
  const { pale, line } = KIND_COLOURS[target.kind.kind];
  const size = target.size === 0 ? "empty" : formatSize(target.size, { unknown: "size unknown" });
  const label = [clean(target.id, 40), `${KIND_WORDS[target.kind.kind]}, ${size}`].join("\n");
  return `t${target.uid} [shape=box, style=filled, fillcolor="${pale}", color="${line}", label=${quoted(label)}, tooltip=${quoted(clean(target.kind.reason, 200))}];`;
}

function linkNode(link: Link): string {
  return `l${link.uid} [shape=plaintext, width=0, height=0, margin="0.03,0.01", label=${quoted(numbers(link.medium, link.properties))}, fontsize=9, fontcolor="${MEDIUM_COLOURS[link.medium]}"];`;
}

function numbers(medium: LinkMedium, properties: Link["properties"]): string {
  const known = [bandwidthText(properties), latencyText(properties)].filter((text) => text !== UNKNOWN);
  return [MEDIUM_WORDS[medium], ...known, ...linkNotes(properties)].join("\n");
}

/** A string of the DOT language: only quotes and backslashes mean anything in it. */
function quoted(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}
