import { HmsError, nearest } from "@hms/topology";
import type { ByteCount } from "./units.ts";

/** The modes of a request, as `--mode` takes them. */
export const MODES = ["preferred", "strict", "interleave", "weighted"] as const;
/**
 * How the targets are used: `preferred` in their order, then whatever else the initiators can access; `strict` in their
 * order and nothing else; `interleave` page by page in turn; `weighted` in turn, so many pages each.
 */
export type Mode = (typeof MODES)[number];

/** What a target can be preferred for, as `--prefer` takes it. */
export const PREFERENCES = ["bandwidth", "latency", "capacity"] as const;
/** What the better target has more of (or less: latency). */
export type Prefer = (typeof PREFERENCES)[number];

/** Targets or initiators that one request may name. */
export const NAMES_MAX = 1024;
/** Characters of one name. */
export const NAME_LENGTH_MAX = 256;
/** The largest weight of a target, as in the kernel's weighted interleaving. */
export const WEIGHT_MAX = 255;

/** Where memory is wanted. At least one of `for` and `targets`. */
export interface PlacementRequest {
  /** What will use it, by name (`node0`, a PCI address, a device's name): the targets are ranked for all of them together. */
  readonly for?: readonly string[];
  /**
   * Targets by name: an id as `hms topo` shows it, `nodeN`, the name of a device for its own memory, `host` for all
   * system memory. The order counts, unless `for` is given as well: then they are ranked.
   */
  readonly targets?: readonly string[];
  /** Default: bandwidth. */
  readonly prefer?: Prefer;
  /** Default: preferred. */
  readonly mode?: Mode;
  /** With mode weighted and `targets`: a whole number from 1 to 255 for each. Left out: from the targets' bandwidths. */
  readonly weights?: readonly number[];
  /** Move what is there already. Default: no. */
  readonly migrate?: boolean;
  /** Room that is needed, bytes: as many of the best targets are taken as have it. */
  readonly size?: ByteCount;
}

const FIELDS = ["for", "targets", "prefer", "mode", "weights", "migrate", "size"] as const;
type Field = (typeof FIELDS)[number];

const checked = new WeakSet<PlacementRequest>();

/**
 * A request from anything: a caller's object, JSON, options of a command. All of it is looked at before anything is
 * done with it; what comes back is a copy that nobody changes.
 *
 * @throws HmsError (EINVAL) REQUEST_INVALID, FIELD_UNKNOWN, PLACEMENT_EMPTY, INITIATORS_EMPTY, TARGETS_EMPTY,
 * NAME_INVALID, PREFER_UNKNOWN, MODE_UNKNOWN, WEIGHTS_INVALID, MIGRATE_INVALID, SIZE_INVALID
 *
 * @example
 * ```ts
 * import { parseRequest } from "@hms/policy";
 * const request = parseRequest({ for: ["node0"], prefer: "latency", size: 2 ** 30 });
 * request.prefer; // "latency"
 * ```
 */
export function parseRequest(value: unknown): PlacementRequest {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(
      "REQUEST_INVALID",
      `an object such as { for: ["node0"] } is required, but got ${shown(value)}`,
    );
  }
  if (checked.has(value as PlacementRequest)) return value as PlacementRequest;
  const given = fieldsOf(value);
  const made: { -readonly [F in Field]?: PlacementRequest[F] } = {};
  const initiators = names(given, "for", "INITIATORS_EMPTY");
  const targets = names(given, "targets", "TARGETS_EMPTY");
  if (initiators === undefined && targets === undefined) {
    throw invalid(
      "PLACEMENT_EMPTY",
      "`for` (what will use the memory) or `targets` (which memory) is required, but neither was given",
    );
  }
  if (initiators !== undefined) made.for = initiators;
  if (targets !== undefined) made.targets = targets;
  const prefer = oneOf(given, "prefer", PREFERENCES, "PREFER_UNKNOWN");
  if (prefer !== undefined) made.prefer = prefer;
  const mode = oneOf(given, "mode", MODES, "MODE_UNKNOWN");
  if (mode !== undefined) made.mode = mode;
  const weights = weightsOf(given.weights, mode ?? "preferred", targets);
  if (weights !== undefined) made.weights = weights;
  const { migrate, size } = given;
  if (migrate !== undefined) {
    if (typeof migrate !== "boolean") {
      throw invalid("MIGRATE_INVALID", `\`migrate\` must be true or false, but is ${shown(migrate)}`);
    }
    made.migrate = migrate;
  }
  if (size !== undefined) {
    if (typeof size !== "number" || !Number.isSafeInteger(size) || size <= 0) {
      throw invalid(
        "SIZE_INVALID",
        `\`size\` must be a whole number of bytes from 1 to 2^53, but is ${shown(size)}`,
      );
    }
    made.size = size;
  }
  Object.freeze(made);
  checked.add(made);
  return made;
}

/** Each field, read once: an object may answer differently the next time. */
function fieldsOf(value: object): Partial<Record<Field, unknown>> {
  for (const name of Object.keys(value)) {
    if ((FIELDS as readonly string[]).includes(name)) continue;
    const [near] = nearest(name, FIELDS);
    throw invalid(
      "FIELD_UNKNOWN",
      `there is no field ${shown(name)}; ${near === undefined ? `there are ${FIELDS.join(", ")}` : `did you mean ${near}?`}`,
    );
  }
  const given: Partial<Record<Field, unknown>> = {};
  for (const name of FIELDS) given[name] = (value as Partial<Record<Field, unknown>>)[name];
  return given;
}

function names(
  given: Partial<Record<Field, unknown>>,
  field: "for" | "targets",
  empty: string,
): readonly string[] | undefined {
  const value = given[field];
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) {
    throw invalid("NAME_INVALID", `\`${field}\` must be a list of names, but is ${shown(value)}`);
  }
  const { length } = value as readonly unknown[];
  if (length === 0) {
    throw invalid(
      empty,
      `\`${field}\` must name at least one, but is an empty list; leave it out to name none`,
    );
  }
  if (length > NAMES_MAX) {
    throw invalid("NAME_INVALID", `\`${field}\` may have ${NAMES_MAX} names, but has ${length}`);
  }
  const list: string[] = [];
  for (let i = 0; i < length; i++) {
    const name: unknown = value[i];
    if (typeof name !== "string" || name.trim() === "" || name.length > NAME_LENGTH_MAX) {
      throw invalid(
        "NAME_INVALID",
        `each of \`${field}\` must be a name of 1 to ${NAME_LENGTH_MAX} characters, but number ${i + 1} is ${shown(name)}`,
      );
    }
    list.push(name.trim());
  }
  return Object.freeze(list);
}

function oneOf<const T extends string>(
  given: Partial<Record<Field, unknown>>,
  field: Field,
  words: readonly T[],
  code: string,
): T | undefined {
  const value = given[field];
  if (value === undefined) return undefined;
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  const [near] = typeof value === "string" ? nearest(value, words) : [];
  throw invalid(
    code,
    `\`${field}\` must be one of ${words.join(", ")}, but is ${shown(value)}${near === undefined ? "" : `; did you mean ${near}?`}`,
  );
}

function weightsOf(
  value: unknown,
  mode: Mode,
  targets: readonly string[] | undefined,
): readonly number[] | undefined {
  if (value === undefined) return undefined;
  const code = "WEIGHTS_INVALID";
  if (!Array.isArray(value))
    throw invalid(code, `\`weights\` must be a list of numbers, but is ${shown(value)}`);
  if (mode !== "weighted") {
    throw invalid(code, `\`weights\` go with mode weighted, but the mode is ${mode}`);
  }
  if (targets === undefined) {
    throw invalid(code, "`weights` go with `targets`, one for each, but no targets are listed");
  }
  const { length } = value as readonly unknown[];
  if (length !== targets.length) {
    throw invalid(
      code,
      `there must be one weight for each of the ${targets.length} targets, but there are ${length}`,
    );
  }
  const list: number[] = [];
  for (let i = 0; i < length; i++) {
    const weight: unknown = value[i];
    if (typeof weight !== "number" || !Number.isInteger(weight) || weight < 1 || weight > WEIGHT_MAX) {
      throw invalid(
        code,
        `each weight must be a whole number from 1 to ${WEIGHT_MAX}, but that of ${shown(targets[i])} is ${shown(weight)}`,
      );
    }
    list.push(weight);
  }
  return Object.freeze(list);
}

function invalid(code: string, what: string): HmsError {
  return new HmsError(code, "EINVAL", `Read a placement request: ${what}`);
}

/** A value of any kind, short enough for a sentence. */
function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === "number" || typeof value === "boolean" || value === null || value === undefined) {
    return String(value);
  }
  if (typeof value === "bigint") return `${value}n`;
  return Array.isArray(value) ? "a list" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}
