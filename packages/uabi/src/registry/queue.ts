export const QUEUE_TYPES = {
  ring: {
    kind: "struct",
    since: 1,
    doc: "Where a queue's submission and completion rings are in its shared memory.",
    fields: {
      memory: {
        type: "u64",
        doc: "Number of the shared memory, as the host hands it out beside the interface.",
      },
      bytes: { type: "u64", unit: "bytes", doc: "Size of the shared memory." },
      submission: { type: "u64", unit: "bytes", doc: "Offset of the submission ring in it." },
      completion: { type: "u64", unit: "bytes", doc: "Offset of the completion ring in it." },
      doorbell: { type: "u64", unit: "bytes", doc: "Offset of the doorbell in it." },
      depth: { type: "u32", doc: "Requests that can be under way: a power of two." },
      requestBytes: { type: "u32", unit: "bytes", doc: "Size of a place in the submission ring." },
    },
  },
  "queue-state": {
    kind: "enum",
    since: 1,
    doc: "Where a queue is in its life.",
    values: {
      init: { value: 0, doc: "Created or stopped: takes no requests, can be started." },
      started: { value: 1, doc: "Takes requests." },
      zombie: { value: 2, doc: "Its device is gone or it was reset: nothing but destroy works." },
    },
  },
  "queue-statistics": {
    kind: "struct",
    since: 1,
    doc: "What a queue has done since it was created.",
    fields: {
      submitted: { type: "u64", doc: "Requests taken." },
      completed: { type: "u64", doc: "Requests done." },
      failed: { type: "u64", doc: "Requests that failed." },
      cancelled: { type: "u64", doc: "Requests cancelled." },
      refused: { type: "u64", doc: "Requests that found the queue full." },
      faults: { type: "u64", doc: "Device faults." },
      faultNs: { type: "u64", unit: "ns", doc: "Time spent waiting for answers to them." },
      busyNs: { type: "u64", unit: "ns", doc: "Time spent on requests." },
      depthMax: { type: "u32", doc: "The most requests that were under way at once." },
      state: { type: "enum", of: "queue-state", doc: "Where it is in its life." },
    },
  },
} as const;

export const QUEUE = {
  id: 5,
  since: 1,
  doc: "Takes work for a device on one space: rings in shared memory, with a doorbell.",
  methods: {
    create: {
      id: 1,
      doc: "Creates a queue bound to one space. Fails with ENODEV when the device cannot reach spaces, ENOSPC when it has no queue left.",
      inputs: {
        device: { id: 1, type: "handle", of: "device", required: true, doc: "The device." },
        space: {
          id: 2,
          type: "handle",
          of: "space",
          required: true,
          doc: "The only space that it can reach.",
        },
        depth: {
          id: 3,
          type: "u32",
          min: 1,
          max: 65536,
          doc: "Requests that can be under way, rounded up to a power of two; 256 without it.",
        },
      },
      outputs: {
        queue: { id: 4, type: "handle", of: "queue", required: true, doc: "The queue." },
        ring: { id: 5, type: "struct", of: "ring", required: true, doc: "Its rings." },
      },
    },
    start: {
      id: 2,
      doc: "Starts a queue. Fails with EINVAL when it is not in the state init.",
      inputs: {
        queue: { id: 1, type: "handle", of: "queue", required: true, doc: "The queue." },
      },
      outputs: {},
    },
    stop: {
      id: 3,
      doc: "Stops a queue: back to init. What is under way is done first when it drains, else cancelled.",
      inputs: {
        queue: { id: 1, type: "handle", of: "queue", required: true, doc: "The queue." },
        drain: { id: 2, type: "bool", doc: "Whether to wait for what is under way; not without it." },
      },
      outputs: {
        cancelled: { id: 3, type: "u64", required: true, doc: "Requests cancelled." },
      },
    },
    cancel: {
      id: 4,
      doc: "Cancels a request that has not begun. Fails with ENOENT when there is none, EBUSY when it has begun.",
      inputs: {
        queue: { id: 1, type: "handle", of: "queue", required: true, doc: "The queue." },
        request: { id: 2, type: "u64", required: true, doc: "The id that it was submitted with." },
      },
      outputs: {},
    },
    reset: {
      id: 5,
      doc: "Ends a queue at once: it becomes a zombie, its requests are cancelled. Other queues do not notice.",
      inputs: {
        queue: { id: 1, type: "handle", of: "queue", required: true, doc: "The queue." },
      },
      outputs: {},
    },
    destroy: {
      id: 6,
      doc: "Destroys a queue in any state.",
      inputs: {
        queue: { id: 1, type: "handle", of: "queue", required: true, doc: "The queue." },
      },
      outputs: {},
    },
    attach: {
      id: 8,
      doc: "Lets requests of a queue name a region of its space. Fails with EEXIST when they can already, EINVAL when the region is of another space.",
      inputs: {
        queue: { id: 1, type: "handle", of: "queue", required: true, doc: "The queue." },
        region: { id: 2, type: "handle", of: "region", required: true, doc: "The region." },
        registration: {
          id: 3,
          type: "handle",
          of: "registration",
          doc: "The WebAssembly program in whose memory it is to be seen; without it, the device's own address space.",
        },
      },
      outputs: {
        id: { id: 4, type: "u32", required: true, doc: "How requests name it." },
      },
    },
    statistics: {
      id: 7,
      doc: "Counts of what the queue has done.",
      inputs: {
        queue: { id: 1, type: "handle", of: "queue", required: true, doc: "The queue." },
      },
      outputs: {
        statistics: { id: 2, type: "struct", of: "queue-statistics", required: true, doc: "The counts." },
      },
    },
  },
} as const;
