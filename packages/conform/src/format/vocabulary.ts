// The one table of the format: the parser, the JSON Schema and the test of the reference text all read it.
import { CAUSES, COMMANDS, EVENTS, FAULTS } from "./case.ts";

/** What a field's value may be. */
export type FieldSpec = (
  | { readonly type: "name"; readonly of: "region" | "device" | "new region" }
  | { readonly type: "count"; readonly min: number; readonly max: number }
  | { readonly type: "flag" }
  | {
      readonly type: "choice";
      readonly among: readonly string[];
      /** Choices that an extension brings, with its capability. */
      readonly extensions?: Readonly<Record<string, string>>;
    }
  | { readonly type: "words" }
  | { readonly type: "backing" }
  | { readonly type: "error" }
  | { readonly type: "signal" }
  | { readonly type: "errors" }
  | { readonly type: "codes" }
  | { readonly type: "steps" }
  | { readonly type: "fields"; readonly fields: Fields }
  | { readonly type: "list"; readonly fields: Fields }
) & {
  readonly required?: true;
  /** The capability whose extension of the format brings this field; a case that uses it must list it in `needs`. */
  readonly extension?: string;
};

/** The fields of a step or of a nested mapping, by name. */
export type Fields = Readonly<Record<string, FieldSpec>>;

/** A step of the format. */
export interface StepSpec {
  readonly fields: Fields;
  /** The capability whose extension of the format brings this step. */
  readonly extension?: string;
}

/** Bounds of the format: a case beyond them is refused. */
export const LIMITS = {
  /** Pages of one region: 4 GiB. */
  pages: 1 << 20,
  /** Rounds of one repeat. */
  rounds: 10_000,
  /** Steps of a case, those of all rounds counted. */
  steps: 100_000,
  /** Blocks within blocks. */
  depth: 8,
  /** Bytes of a file. */
  fileBytes: 1 << 20,
  /** Faults that one `inject` arms. */
  faults: 1_000_000,
} as const;

const page = { type: "count", min: 0, max: LIMITS.pages - 1 } as const;
const pages = { type: "count", min: 1, max: LIMITS.pages } as const;
const part = { region: { type: "name", of: "region", required: true }, first: page, pages } as const;
const protection = { type: "choice", among: ["none", "r", "rw"] } as const;
const words = { type: "words", required: true } as const;
const cpuError = {
  type: "fields",
  fields: { error: { type: "signal", required: true } },
  extension: "signals",
} as const;

/** Every step of the format and of its extensions. */
export const STEPS = {
  map: {
    fields: {
      as: { type: "name", of: "new region", required: true },
      pages,
      protection,
      share: { type: "choice", among: ["private", "shared"] },
      backing: { type: "backing" },
      huge: { type: "flag" },
      "file-words": { type: "words" },
      at: { type: "fields", fields: { region: { type: "name", of: "region", required: true }, first: page } },
      reflink: { type: "name", of: "region", extension: "dax" },
    },
  },
  unmap: { fields: part },
  protect: { fields: { ...part, protection: { ...protection, required: true } } },
  remap: {
    fields: {
      ...part,
      to: {
        type: "fields",
        fields: { as: { type: "name", of: "new region", required: true } },
        required: true,
      },
      "keep-old": { type: "flag" },
    },
  },
  advise: {
    fields: {
      ...part,
      advice: {
        type: "choice",
        among: ["dontneed", "free", "hugepage", "nohugepage", "collapse", "pageout"],
        extensions: { pageout: "swap" },
        required: true,
      },
      expect: cpuError,
    },
  },
  fill: { fields: { ...part, words, expect: cpuError } },
  check: { fields: { ...part, words, expect: cpuError } },
  increment: { fields: { ...part, from: words } },
  touch: { fields: { ...part, expect: cpuError } },
  "file-check": { fields: { ...part, words } },
  pin: {
    fields: {
      ...part,
      kind: { type: "choice", among: ["short", "long"] },
      write: { type: "flag" },
      expect: cpuError,
    },
  },
  device: {
    fields: {
      on: { type: "name", of: "device", required: true },
      do: { type: "choice", among: COMMANDS, required: true },
      ...part,
      region: { type: "name", of: "region" },
      writes: { type: "words" },
      expect: {
        type: "fields",
        fields: {
          pages: { type: "count", min: 0, max: LIMITS.pages },
          faults: { type: "count", min: 0, max: LIMITS.pages },
          error: { type: "error" },
          "or-errors": { type: "errors", extension: "alternatives" },
        },
      },
      reads: { type: "words" },
      codes: { type: "codes" },
      "codes-all": { type: "flag" },
    },
  },
  fork: {
    fields: {
      child: { type: "steps", required: true },
      parent: { type: "steps" },
      ends: { type: "choice", among: ["exit", "killed"] },
    },
  },
  repeat: {
    fields: {
      times: { type: "count", min: 1, max: LIMITS.rounds, required: true },
      steps: { type: "steps", required: true },
    },
  },
  race: {
    fields: {
      steps: { type: "steps", required: true },
      rival: { type: "steps", required: true },
      times: { type: "count", min: 1, max: LIMITS.faults },
    },
    extension: "race",
  },
  notifications: {
    fields: {
      on: { type: "name", of: "device", required: true },
      are: {
        type: "list",
        fields: {
          event: { type: "choice", among: EVENTS, required: true },
          region: { type: "name", of: "region" },
          first: page,
          pages,
          owner: { type: "name", of: "device" },
        },
      },
    },
    extension: "notifications",
  },
  inject: {
    fields: {
      fault: { type: "choice", among: FAULTS, required: true },
      on: { type: "name", of: "device" },
      times: { type: "count", min: 0, max: LIMITS.faults },
    },
    extension: "faults",
  },
  reclaim: {
    fields: {
      pages: { ...pages, required: true },
      "non-blocking": { type: "flag" },
      expect: { type: "fields", fields: { pages: { type: "count", min: 0, max: LIMITS.pages } } },
    },
    extension: "swap",
  },
  migrate: {
    fields: {
      ...part,
      to: { type: "name", of: "device", required: true },
      duplicate: { type: "flag" },
      expect: { type: "fields", fields: { pages: { type: "count", min: 0, max: LIMITS.pages } } },
    },
    extension: "placement",
  },
  explain: {
    fields: {
      ...part,
      where: { type: "name", of: "device" },
      from: { type: "name", of: "device" },
      cause: { type: "choice", among: CAUSES },
      override: { type: "choice", among: ["refused", "redirected", "held", "none"] },
      by: { type: "name", of: "device" },
    },
    extension: "placement",
  },
} as const satisfies Readonly<Record<string, StepSpec>>;
