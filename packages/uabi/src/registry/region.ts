export const REGION_TYPES = {
  residency: {
    kind: "struct",
    since: 1,
    doc: "Pages that follow each other and are at one place.",
    fields: {
      first: { type: "u64", unit: "pages", doc: "Number of the first page." },
      count: { type: "u64", unit: "pages", doc: "How many." },
      place: { type: "u32", doc: "Index of the place's name in places." },
      state: { type: "enum", of: "state", doc: "What is special about them." },
    },
  },
} as const;

export const REGION = {
  id: 3,
  since: 1,
  doc: "A contiguous range of a space: anonymous or of a file, private or shared.",
  methods: {
    create: {
      id: 1,
      doc: "Makes a region at an address that the service chooses.",
      inputs: {
        space: { id: 1, type: "handle", of: "space", required: true, doc: "The space." },
        kind: { id: 2, type: "enum", of: "region-kind", required: true, doc: "What its pages come from." },
        bytes: {
          id: 3,
          type: "u64",
          unit: "bytes",
          min: 1,
          max: 0x1_0000_0000_0000,
          doc: "Its size, rounded up to pages; of a file without it, all of the file from the offset on.",
        },
        protection: {
          id: 4,
          type: "flags",
          of: "protection",
          doc: "What may be done with it; read and write without it.",
        },
        path: {
          id: 5,
          type: "string",
          minBytes: 1,
          maxBytes: 4096,
          doc: "The file; for the kinds file and copy only.",
        },
        offset: {
          id: 6,
          type: "u64",
          unit: "bytes",
          doc: "Where in the file it begins: a multiple of 4096; 0 without it.",
        },
        huge: { id: 7, type: "enum", of: "huge-pages", hint: true, doc: "Pages of 2 MiB; auto without it." },
        label: {
          id: 8,
          type: "string",
          maxBytes: 256,
          hint: true,
          doc: "What reports call it.",
        },
      },
      outputs: {
        region: { id: 9, type: "handle", of: "region", required: true, doc: "The region." },
        address: {
          id: 10,
          type: "u64",
          required: true,
          doc: "Its first address, the same for the CPU and every device; a multiple of 4096.",
        },
        size: { id: 11, type: "u64", unit: "bytes", required: true, doc: "Its size: a multiple of 4096." },
        report: {
          id: 12,
          type: "nested",
          of: "placement-report",
          doc: "With a failure: what there is no room for, where the default of the space is strict.",
        },
      },
    },
    protect: {
      id: 2,
      doc: "Changes what may be done with a region or with a part of it.",
      inputs: {
        region: { id: 1, type: "handle", of: "region", required: true, doc: "The region." },
        protection: {
          id: 2,
          type: "flags",
          of: "protection",
          required: true,
          doc: "What may be done with it.",
        },
        range: { id: 3, type: "struct", of: "range", doc: "The pages; all of the region without it." },
      },
      outputs: {},
    },
    destroy: {
      id: 3,
      doc: "Destroys a region with its content. What was written to a file region is written back first. Fails with EBUSY while another thread has it open.",
      inputs: {
        region: { id: 1, type: "handle", of: "region", required: true, doc: "The region." },
      },
      outputs: {},
    },
    sync: {
      id: 4,
      doc: "Brings what was written to a file region home from the devices and to the file.",
      inputs: {
        region: { id: 1, type: "handle", of: "region", required: true, doc: "The region." },
        range: { id: 2, type: "struct", of: "range", doc: "The pages; all of the region without it." },
      },
      outputs: {
        written: { id: 3, type: "u64", unit: "pages", required: true, doc: "Pages written." },
      },
    },
    snapshot: {
      id: 5,
      doc: "Makes a new region with the content that a region has now; later writes to either do not show in the other.",
      inputs: {
        region: { id: 1, type: "handle", of: "region", required: true, doc: "The region." },
      },
      outputs: {
        snapshot: { id: 2, type: "handle", of: "region", required: true, doc: "The new region." },
        address: { id: 3, type: "u64", required: true, doc: "Its first address." },
        size: { id: 4, type: "u64", unit: "bytes", required: true, doc: "Its size." },
      },
    },
    open: {
      id: 7,
      doc: "Lets another thread use a region: until it closes it, or ends, the region cannot be destroyed.",
      inputs: {
        region: { id: 1, type: "handle", of: "region", required: true, doc: "The region." },
      },
      outputs: {
        address: { id: 2, type: "u64", required: true, doc: "Its first address." },
        size: { id: 3, type: "u64", unit: "bytes", required: true, doc: "Its size." },
      },
    },
    close: {
      id: 8,
      doc: "The thread does not use the region any more.",
      inputs: {
        region: { id: 1, type: "handle", of: "region", required: true, doc: "The region." },
      },
      outputs: {},
    },
    residency: {
      id: 6,
      doc: "Says where the pages of a region are, in runs: the map that reports draw. Explain says why.",
      inputs: {
        region: { id: 1, type: "handle", of: "region", required: true, doc: "The region." },
        range: { id: 2, type: "struct", of: "range", doc: "The pages; all of the region without it." },
        limit: {
          id: 3,
          type: "u32",
          min: 1,
          max: 65536,
          doc: "The most runs to answer with; 4096 without it.",
        },
      },
      outputs: {
        runs: {
          id: 4,
          type: "array",
          item: { type: "struct", of: "residency" },
          maxCount: 65536,
          required: true,
          doc: "The runs, in order.",
        },
        places: {
          id: 5,
          type: "array",
          item: { type: "string", maxBytes: 256 },
          maxCount: 256,
          required: true,
          doc: "Names of the places that runs speak of.",
        },
        next: {
          id: 6,
          type: "u64",
          unit: "pages",
          doc: "Number of the first page that the answer had no room for; not written when it has all.",
        },
      },
    },
  },
} as const;
