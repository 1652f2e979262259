export const DEVICE_TYPES = {
  "device-entry": {
    kind: "nested",
    since: 1,
    doc: "A device of a context.",
    attributes: {
      name: { id: 1, type: "string", maxBytes: 256, required: true, doc: "Its name, such as accel0." },
      driver: { id: 2, type: "string", maxBytes: 64, required: true, doc: "Its driver." },
    },
  },
} as const;

export const DEVICE = {
  id: 4,
  since: 1,
  doc: "Something that computes on the memory of spaces, with or without memory of its own.",
  methods: {
    list: {
      id: 1,
      doc: "Lists the devices of a context.",
      inputs: {
        context: { id: 1, type: "handle", of: "context", required: true, doc: "The context." },
      },
      outputs: {
        devices: {
          id: 2,
          type: "array",
          item: { type: "nested", of: "device-entry" },
          maxCount: 256,
          required: true,
          doc: "The devices.",
        },
      },
    },
    open: {
      id: 2,
      doc: "Opens a device by its name. Fails with ENOENT when there is none, ENODEV when it is gone.",
      inputs: {
        context: { id: 1, type: "handle", of: "context", required: true, doc: "The context." },
        name: { id: 2, type: "string", minBytes: 1, maxBytes: 256, required: true, doc: "Its name." },
      },
      outputs: {
        device: { id: 3, type: "handle", of: "device", required: true, doc: "The device." },
      },
    },
    info: {
      id: 3,
      doc: "Says what a device is and can do.",
      inputs: {
        device: { id: 1, type: "handle", of: "device", required: true, doc: "The device." },
      },
      outputs: {
        name: { id: 2, type: "string", maxBytes: 256, required: true, doc: "Its name." },
        driver: { id: 3, type: "string", maxBytes: 64, required: true, doc: "Its driver." },
        api: {
          id: 4,
          type: "string",
          maxBytes: 64,
          required: true,
          doc: "Name and version of its work requests.",
        },
        algorithms: {
          id: 5,
          type: "array",
          item: { type: "string", maxBytes: 64 },
          maxCount: 256,
          required: true,
          doc: "What it can compute.",
        },
        instances: { id: 6, type: "u32", required: true, doc: "Queues that can still be created." },
        mmioBytes: {
          id: 7,
          type: "u64",
          unit: "bytes",
          required: true,
          doc: "Size of a queue's doorbell region.",
        },
        sharedBytes: {
          id: 8,
          type: "u64",
          unit: "bytes",
          required: true,
          doc: "Size of a queue's shared region.",
        },
        memoryBytes: {
          id: 9,
          type: "u64",
          unit: "bytes",
          required: true,
          doc: "Memory of its own; 0 when it has none.",
        },
        usedBytes: { id: 10, type: "u64", unit: "bytes", required: true, doc: "Of it, in use." },
        isolated: {
          id: 11,
          type: "bool",
          required: true,
          doc: "Whether it was taken out of use after too many errors.",
        },
        errorsAnHourMax: {
          id: 12,
          type: "u32",
          max: 65535,
          required: true,
          doc: "So many errors an hour isolate it; 0: never.",
        },
        usedBytesMax: {
          id: 13,
          type: "u64",
          unit: "bytes",
          doc: "The most of its memory that ever was in use.",
        },
      },
    },
    control: {
      id: 4,
      doc: "Sends a command to the device, apart from its queues: status, firmware, parameters. A device that refuses fails it with ECANCELED, and its reply is written all the same.",
      inputs: {
        device: { id: 1, type: "handle", of: "device", required: true, doc: "The device." },
        command: {
          id: 2,
          type: "bytes",
          maxBytes: 65536,
          required: true,
          doc: "The command, as its driver says.",
        },
      },
      outputs: {
        reply: { id: 3, type: "bytes", maxBytes: 65536, doc: "Its reply, also when it refuses." },
      },
    },
    close: {
      id: 5,
      doc: "Closes a device. Its queues and programs that came by this handle go.",
      inputs: {
        device: { id: 1, type: "handle", of: "device", required: true, doc: "The device." },
      },
      outputs: {},
    },
  },
} as const;
