export const SPACE_TYPES = {
  override: {
    kind: "nested",
    since: 1,
    doc: "A placement that the host or a driver did not allow as asked.",
    attributes: {
      who: { id: 1, type: "string", maxBytes: 256, required: true, doc: "The host or the device." },
      what: {
        id: 2,
        type: "enum",
        of: "override-kind",
        required: true,
        doc: "What it did.",
      },
      why: { id: 3, type: "string", maxBytes: 1024, required: true, doc: "Why, in its words." },
      asked: { id: 4, type: "string", maxBytes: 256, required: true, doc: "The memory that was asked for." },
      became: {
        id: 5,
        type: "string",
        maxBytes: 256,
        doc: "The memory that it became; absent when it stayed.",
      },
      when: { id: 6, type: "u64", unit: "ns", required: true, doc: "When, by the host's clock." },
    },
  },
  "override-kind": {
    kind: "enum",
    since: 1,
    doc: "What became of a placement that was not allowed as asked.",
    values: {
      refused: { value: 1, doc: "It did not happen." },
      redirected: { value: 2, doc: "It went elsewhere." },
      held: { value: 3, doc: "The page stays where its driver holds it." },
    },
  },
  explanation: {
    kind: "nested",
    since: 1,
    doc: "Where pages that follow each other and are alike are, since when and why.",
    attributes: {
      first: { id: 1, type: "u64", unit: "pages", required: true, doc: "Number of the first page." },
      count: { id: 2, type: "u64", unit: "pages", required: true, doc: "How many." },
      place: {
        id: 3,
        type: "string",
        maxBytes: 256,
        required: true,
        doc: "Where: host, file, swap, lost, a device memory's name, or nowhere.",
      },
      state: { id: 4, type: "enum", of: "state", required: true, doc: "What is special about them." },
      writable: { id: 5, type: "bool", required: true, doc: "Whether they may be written to as they are." },
      huge: { id: 6, type: "bool", required: true, doc: "Whether they are of one huge mapping." },
      cause: { id: 7, type: "enum", of: "cause", required: true, doc: "Why the last move was made." },
      from: {
        id: 8,
        type: "string",
        maxBytes: 256,
        doc: "Where they were before; absent when they never moved.",
      },
      since: {
        id: 9,
        type: "u64",
        unit: "ns",
        doc: "When the last move was, by the host's clock: of the page that moved first.",
      },
      latest: { id: 10, type: "u64", unit: "ns", doc: "The same of the page that moved last." },
      duplicates: {
        id: 11,
        type: "array",
        item: { type: "string", maxBytes: 256 },
        maxCount: 256,
        doc: "Memories with read-only duplicates.",
      },
      held: { id: 12, type: "string", maxBytes: 1024, doc: "Why their driver holds them where they are." },
      override: {
        id: 13,
        type: "nested",
        of: "override",
        doc: "The newest placement of them that was not allowed as asked.",
      },
      policy: {
        id: 14,
        type: "nested",
        of: "explained-policy",
        doc: "The policy that they are under; absent without one.",
      },
      node: {
        id: 15,
        type: "u32",
        doc: "The node of the machine that they are on; absent when it was not asked for, or nothing is there.",
      },
    },
  },
  "space-statistics": {
    kind: "struct",
    since: 1,
    doc: "What a space holds now.",
    fields: {
      regions: { type: "u64", doc: "Regions." },
      mapped: { type: "u64", unit: "pages", doc: "Pages of all regions." },
      resident: { type: "u64", unit: "pages", doc: "Pages in the host's memory." },
      device: { type: "u64", unit: "pages", doc: "Pages in memories of devices." },
      swapped: { type: "u64", unit: "pages", doc: "Pages in the swap file." },
    },
  },
} as const;

/** The space without its methods of placement. */
export const SPACE = {
  id: 2,
  since: 1,
  doc: "An address space that the CPU and the devices share: its regions have the same addresses for all of them.",
  methods: {
    create: {
      id: 1,
      doc: "Makes an empty space.",
      inputs: {
        context: { id: 1, type: "handle", of: "context", required: true, doc: "Whose it is." },
        shares: {
          id: 4,
          type: "array",
          item: { type: "nested", of: "share" },
          maxCount: 256,
          doc: "The most that it may have of some targets; of the others as much as there is.",
        },
      },
      outputs: {
        space: { id: 2, type: "handle", of: "space", required: true, doc: "The space." },
        pasid: { id: 3, type: "u32", required: true, doc: "The number that devices know it by." },
      },
    },
    destroy: {
      id: 2,
      doc: "Destroys a space with its regions. Fails with EBUSY while a queue is bound to it.",
      inputs: {
        space: { id: 1, type: "handle", of: "space", required: true, doc: "The space." },
      },
      outputs: {},
    },
    explain: {
      id: 3,
      doc: "Says where each page of a range is, since when and why, in runs of pages alike.",
      inputs: {
        space: { id: 1, type: "handle", of: "space", required: true, doc: "The space." },
        range: { id: 2, type: "struct", of: "range", required: true, doc: "The pages." },
        limit: {
          id: 3,
          type: "u32",
          min: 1,
          max: 1024,
          doc: "The most runs to answer with; 256 without it.",
        },
        nodes: {
          id: 6,
          type: "bool",
          hint: true,
          doc: "Whether to say on which node of the machine each page is: the kernel is asked about each.",
        },
      },
      outputs: {
        runs: {
          id: 4,
          type: "array",
          item: { type: "nested", of: "explanation" },
          maxCount: 1024,
          required: true,
          doc: "The runs, in order.",
        },
        next: {
          id: 5,
          type: "u64",
          unit: "pages",
          doc: "Number of the first page that the answer had no room for; not written when it has all.",
        },
      },
    },
    migrate: {
      id: 4,
      doc: "Moves a range to a target. Never fails for single pages: it says which stayed, and why.",
      inputs: {
        space: { id: 1, type: "handle", of: "space", required: true, doc: "The space." },
        range: { id: 2, type: "struct", of: "range", required: true, doc: "The pages." },
        target: {
          id: 3,
          type: "string",
          minBytes: 1,
          maxBytes: 256,
          required: true,
          doc: "Name of the memory: host, or a device's.",
        },
        flags: { id: 4, type: "flags", of: "migrate-flags", doc: "How." },
      },
      outputs: {
        moved: { id: 5, type: "u64", unit: "pages", required: true, doc: "Pages that moved." },
        left: {
          id: 6,
          type: "u64",
          unit: "pages",
          required: true,
          doc: "Pages that stayed; those that were there already do not count.",
        },
        kept: {
          id: 7,
          type: "array",
          item: { type: "struct", of: "kept" },
          maxCount: 4096,
          required: true,
          doc: "Which stayed, in order; the first 4096 runs.",
        },
      },
    },
    prefetch: {
      id: 5,
      doc: "Brings a range to a target ahead of its use, as far as there is room: nothing is evicted for it.",
      inputs: {
        space: { id: 1, type: "handle", of: "space", required: true, doc: "The space." },
        range: { id: 2, type: "struct", of: "range", required: true, doc: "The pages." },
        target: {
          id: 3,
          type: "string",
          minBytes: 1,
          maxBytes: 256,
          required: true,
          doc: "Name of the memory: host, or a device's.",
        },
      },
      outputs: {
        moved: { id: 4, type: "u64", unit: "pages", required: true, doc: "Pages that moved." },
      },
    },
    advise: {
      id: 6,
      doc: "Says how a range will be used. Changes speed only, never what is read.",
      inputs: {
        space: { id: 1, type: "handle", of: "space", required: true, doc: "The space." },
        range: { id: 2, type: "struct", of: "range", required: true, doc: "The pages." },
        advice: { id: 3, type: "enum", of: "advice", required: true, doc: "How." },
      },
      outputs: {},
    },
    bind: {
      id: 7,
      doc: "Records where pages of a range should be when they are made or moved.",
      inputs: {
        space: { id: 1, type: "handle", of: "space", required: true, doc: "The space." },
        range: { id: 2, type: "struct", of: "range", required: true, doc: "The pages." },
        target: {
          id: 3,
          type: "string",
          minBytes: 1,
          maxBytes: 256,
          doc: "Name of the memory; without it, what was recorded is dropped.",
        },
        mode: { id: 4, type: "enum", of: "bind-mode", doc: "How strictly; prefer without it." },
      },
      outputs: {},
    },
    statistics: {
      id: 8,
      doc: "Counts of what the space holds.",
      inputs: {
        space: { id: 1, type: "handle", of: "space", required: true, doc: "The space." },
      },
      outputs: {
        statistics: { id: 2, type: "struct", of: "space-statistics", required: true, doc: "The counts." },
      },
    },
  },
} as const;
