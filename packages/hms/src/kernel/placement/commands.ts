import type { PageCount, PageIndex } from "@hms/hmm";
import { type Decision, decide, type PlacementRequest, parseRequest } from "@hms/policy";
import { HmsError } from "@hms/topology";
import type { CoreRegistry, TypeValue } from "@hms/uabi";
import type { Kernel } from "../kernel.ts";
import type { SpaceEntry } from "../objects.ts";
import { FILE, HOST, names } from "./place.ts";
import { type Origin, Policy } from "./policy.ts";
import { failureOf } from "./report-value.ts";

export type PlaceCommand = TypeValue<CoreRegistry, "place-command">;

/** A command that was looked at: what is to be done can be. */
export interface Command {
  readonly entry: SpaceEntry;
  /** Null: what is made in the space from now on. */
  readonly range: { readonly first: PageIndex; readonly count: PageCount } | null;
  /** Null: what there is is dropped. */
  readonly policy: Policy | null;
  readonly migrate: boolean;
}

/** Looks at all commands of a call before any is carried out. Throws as `readCommand` does, and says which one it is. */
export function readCommands(
  kernel: Kernel,
  entry: SpaceEntry,
  commands: readonly PlaceCommand[],
): Command[] {
  if (commands.length === 0) {
    throw new HmsError(
      "NO_COMMANDS",
      "EINVAL",
      "Binding failed: at least one command is required, but there is none.",
    );
  }
  return commands.map((command, i) => {
    try {
      return readCommand(kernel, entry, command);
    } catch (error) {
      throw failureOf(error, commands.length === 1 ? "" : ` (command ${i + 1} of ${commands.length})`);
    }
  });
}

/**
 * Looks at a command, and decides it. Throws BAD_RANGE (EINVAL), what `decide` and `parseRequest` throw, and with a
 * report PLACEMENT_REFUSED.
 */
export function readCommand(kernel: Kernel, entry: SpaceEntry, command: PlaceCommand): Command {
  const { range = null, drop = false } = command;
  if (range !== null) expectInside(kernel, entry, range);
  if (drop) return { entry, range, policy: null, migrate: false };
  const request = requestOf(command);
  const policy = policyOf(kernel, entry, request, range === null ? "default" : "bind");
  if (range !== null) expectFile(entry, policy, range);
  return { entry, range, policy, migrate: request.migrate === true };
}

function requestOf({
  for: initiators,
  targets,
  prefer,
  mode,
  weights,
  migrate,
  size,
}: PlaceCommand): PlacementRequest {
  return parseRequest({
    ...(initiators === undefined ? {} : { for: initiators }),
    ...(targets === undefined ? {} : { targets }),
    ...(prefer === undefined ? {} : { prefer }),
    ...(mode === undefined ? {} : { mode }),
    ...(weights === undefined ? {} : { weights }),
    ...(migrate === undefined ? {} : { migrate }),
    ...(size === undefined ? {} : { size }),
  });
}

/** What a request comes to in a space, now. */
export function policyOf(
  kernel: Kernel,
  _entry: SpaceEntry,
  request: PlacementRequest,
  origin: Origin,
): Policy {
  const { view } = kernel.placements;
  const limits = view.limits();
  const machine = view.machine({ host: names(request, HOST), file: names(request, FILE) }, limits);
  const decision: Decision = decide(machine, request, view.allowing(limits));
  return new Policy(request, decision, {
    origin,
    when: Math.floor(kernel.open.now()),
    devices: kernel.machines,
  });
}

/** Throws BAD_RANGE (EINVAL) unless a range is in regions of the space, without holes. */
function expectInside(
  kernel: Kernel,
  entry: SpaceEntry,
  { first, count }: { readonly first: PageIndex; readonly count: PageCount },
): void {
  const { space } = entry.linux;
  kernel.expectRange("Binding", space, first, count);
  for (let page = first; page < first + count; ) {
    const region = space.regions.at(page);
    if (region === null) {
      throw new HmsError(
        "BAD_RANGE",
        "EINVAL",
        `Binding failed: page ${page} is in no region, and all of the ${count} pages from page ${first} on must be.`,
      );
    }
    page = region.end;
  }
}

/** Throws NO_FILE (EINVAL) when pages are to be in a file that is not there. */
function expectFile(
  { regions }: SpaceEntry,
  policy: Policy,
  { first, count }: { readonly first: PageIndex; readonly count: PageCount },
): void {
  if (!policy.targets.some(({ place }) => place.kind === "file")) return;
  for (const region of regions) {
    const overlaps = region.first < first + count && first < region.first + region.pages;
    if (!overlaps || region.kind === "file") continue;
    throw new HmsError(
      "NO_FILE",
      "EINVAL",
      `Binding ${region.name} failed: it is to be in its file, and has none. Make it with space.file and writable, or without private.`,
    );
  }
}
