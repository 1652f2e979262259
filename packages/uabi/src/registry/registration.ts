export const REGISTRATION_TYPES = {
  "program-kind": {
    kind: "enum",
    since: 1,
    doc: "What a program is written in.",
    values: {
      "es-module": { value: 1, doc: "A JavaScript module that exports kernels." },
      wasm: { value: 2, doc: "A WebAssembly module." },
    },
  },
} as const;

export const REGISTRATION = {
  id: 6,
  since: 1,
  doc: "A program that a device has loaded, for its queues to run.",
  methods: {
    create: {
      id: 1,
      doc: "Loads a program from a URL or from its bytes: exactly one of the two. Fails with EINVAL when it cannot be loaded, ENOENT when it lacks an export.",
      inputs: {
        device: { id: 1, type: "handle", of: "device", required: true, doc: "The device." },
        kind: { id: 2, type: "enum", of: "program-kind", required: true, doc: "What it is written in." },
        name: {
          id: 3,
          type: "string",
          minBytes: 1,
          maxBytes: 256,
          required: true,
          doc: "What reports call it.",
        },
        url: {
          id: 4,
          type: "string",
          minBytes: 1,
          maxBytes: 65536,
          doc: "Where it is: a file: or data: URL.",
        },
        code: { id: 5, type: "bytes", minBytes: 1, maxBytes: 8_388_608, doc: "The program itself." },
        exports: {
          id: 6,
          type: "array",
          item: { type: "string", minBytes: 1, maxBytes: 256 },
          maxCount: 256,
          required: true,
          doc: "Names of the kernels in it; `kernel` makes them nameable.",
        },
      },
      outputs: {
        registration: { id: 7, type: "handle", of: "registration", required: true, doc: "The program." },
        found: {
          id: 8,
          type: "array",
          item: { type: "string", maxBytes: 256 },
          maxCount: 4096,
          doc: "Names of all kernels in it.",
        },
      },
    },
    kernel: {
      id: 3,
      doc: "Makes a kernel of a program nameable in requests. Fails with ENOENT when the program has none of that name.",
      inputs: {
        registration: { id: 1, type: "handle", of: "registration", required: true, doc: "The program." },
        name: { id: 2, type: "string", minBytes: 1, maxBytes: 256, required: true, doc: "Its name." },
        parameters: {
          id: 3,
          type: "array",
          item: { type: "string", minBytes: 1, maxBytes: 256 },
          maxCount: 64,
          required: true,
          doc: "Names of its arguments, in the order in which requests give them.",
        },
      },
      outputs: {
        kernel: { id: 4, type: "u32", required: true, doc: "How requests name it." },
      },
    },
    destroy: {
      id: 2,
      doc: "Unloads a program. Fails with EBUSY while requests run it.",
      inputs: {
        registration: { id: 1, type: "handle", of: "registration", required: true, doc: "The program." },
      },
      outputs: {},
    },
  },
} as const;
