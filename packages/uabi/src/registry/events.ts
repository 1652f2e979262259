export const EVENTS_TYPES = {
  "event-mask": {
    kind: "flags",
    since: 1,
    doc: "Which events are wanted.",
    values: {
      faults: { value: 1, doc: "Page faults of CPUs and devices." },
      migrations: { value: 2, doc: "Moves of pages." },
      evictions: { value: 4, doc: "Pages that had to leave a memory: evicted by a device, or swapped out." },
      overrides: { value: 8, doc: "Placements that were not allowed as asked." },
      losses: { value: 16, doc: "Pages whose content is gone." },
      devices: { value: 32, doc: "Devices that came, failed or went." },
    },
  },
  "event-kind": {
    kind: "enum",
    since: 1,
    doc: "What happened.",
    values: {
      "cpu-fault": { value: 1, doc: "A CPU touched pages that were not there." },
      "device-fault": { value: 2, doc: "A device did." },
      migration: { value: 3, doc: "Pages moved." },
      eviction: { value: 4, doc: "Pages had to leave a memory." },
      override: { value: 5, doc: "A placement was not allowed as asked." },
      loss: { value: 6, doc: "The content of pages is gone." },
      device: { value: 7, doc: "A device came, failed or went." },
    },
  },
  event: {
    kind: "struct",
    since: 1,
    doc: "What happened to pages that follow each other.",
    fields: {
      when: { type: "u64", unit: "ns", doc: "When, by the host's clock." },
      durationNs: { type: "u64", unit: "ns", doc: "How long it took; 0 when that is not known." },
      space: { type: "u64", doc: "Handle of the space; 0 when there is none." },
      first: { type: "u64", unit: "pages", doc: "Number of the first page." },
      count: { type: "u64", unit: "pages", doc: "How many." },
      kind: { type: "enum", of: "event-kind", doc: "What." },
      cause: { type: "enum", of: "cause", doc: "Why." },
      from: { type: "u32", doc: "Index of a name in names: the place they came from, or were in." },
      to: { type: "u32", doc: "Index of a name in names: the place that they went to." },
      who: {
        type: "u32",
        doc: "Index of a name in names: who did it, as a device; an empty name for nobody.",
      },
      text: {
        type: "u32",
        doc: "Index of a name in names: more about it; an empty name when there is nothing.",
      },
    },
  },
} as const;

export const EVENTS = {
  id: 7,
  since: 1,
  doc: "A subscription to what happens in a context.",
  methods: {
    subscribe: {
      id: 1,
      doc: "Begins to keep events.",
      inputs: {
        context: { id: 1, type: "handle", of: "context", required: true, doc: "The context." },
        mask: { id: 2, type: "flags", of: "event-mask", required: true, doc: "Which." },
        capacity: {
          id: 3,
          type: "u32",
          min: 1,
          max: 1_048_576,
          doc: "Events kept until they are read; the oldest give way; 65536 without it.",
        },
      },
      outputs: {
        events: { id: 4, type: "handle", of: "events", required: true, doc: "The subscription." },
      },
    },
    read: {
      id: 2,
      doc: "Takes the events that are kept, oldest first.",
      inputs: {
        events: { id: 1, type: "handle", of: "events", required: true, doc: "The subscription." },
        limit: { id: 2, type: "u32", min: 1, max: 4096, doc: "The most to take; 1024 without it." },
        wait: { id: 3, type: "bool", doc: "Whether to wait until there is one; not without it." },
      },
      outputs: {
        events: {
          id: 4,
          type: "array",
          item: { type: "struct", of: "event" },
          maxCount: 4096,
          required: true,
          doc: "The events.",
        },
        names: {
          id: 5,
          type: "array",
          item: { type: "string", maxBytes: 1024 },
          maxCount: 16384,
          required: true,
          doc: "Names and texts that the events speak of.",
        },
        dropped: { id: 6, type: "u64", required: true, doc: "Events that gave way since the last call." },
        more: { id: 7, type: "bool", required: true, doc: "Whether more are kept." },
      },
    },
    unsubscribe: {
      id: 3,
      doc: "Ends a subscription. Who waits for events gets ECANCELED.",
      inputs: {
        events: { id: 1, type: "handle", of: "events", required: true, doc: "The subscription." },
      },
      outputs: {},
    },
  },
} as const;
