/** How a machine lays C out: what the sizes, offsets and numbers of an interface depend on. */
export interface Architecture {
  /** The kernel's and GCC's name: `x86_64`. */
  readonly name: string;
  /** The folder below arch/ that its headers come from. */
  readonly folder: string;
  readonly longBits: 32 | 64;
  /** What `long long` and `double` are aligned to inside a struct, in bytes. */
  readonly longLongAlign: 4 | 8;
  readonly longDoubleBytes: 8 | 12 | 16;
  /** Bytes of `__attribute__((aligned))` without a number. */
  readonly biggestAlign: 8 | 16;
  readonly bigEndian: boolean;
  readonly charIsSigned: boolean;
  /** Macros of the compiler there. */
  readonly macros: readonly string[];
}

/** Macros that every compiler has here, and words that it takes in other spellings. */
const COMMON: readonly string[] = [
  "__GNUC__ 12",
  "__GNUC_MINOR__ 2",
  "__STDC__ 1",
  "__STDC_VERSION__ 201710L",
  "__linux__ 1",
  "__linux 1",
  "linux 1",
  "__unix__ 1",
  "__CHAR_BIT__ 8",
  "__SIZEOF_INT__ 4",
  "__ORDER_LITTLE_ENDIAN__ 1234",
  "__ORDER_BIG_ENDIAN__ 4321",
  "__LITTLE_ENDIAN 1234",
  "__BIG_ENDIAN 4321",
  "__EXPORTED_HEADERS__",
  "__signed__ signed",
  "__signed signed",
  "__const const",
  "__volatile__ volatile",
  "__inline__ inline",
  "__inline inline",
  "__extension__",
  "__restrict",
  // What the kernel's headers_install puts in or takes out.
  "__packed __attribute__((packed))",
  "__user",
  "__force",
  "__iomem",
  "__attribute_const__",
  // The C library's <limits.h>.
  "INT_MAX 2147483647",
  "INT_MIN (-INT_MAX - 1)",
  "UINT_MAX 4294967295U",
  "PATH_MAX 4096",
];

function make(
  one: Omit<Architecture, "macros" | "longDoubleBytes" | "biggestAlign" | "charIsSigned"> & {
    readonly macros: readonly string[];
    readonly longDoubleBytes?: 8 | 12 | 16;
    readonly biggestAlign?: 8 | 16;
    readonly charIsSigned?: boolean;
  },
): Architecture {
  const bytes = one.longBits / 8;
  return {
    longDoubleBytes: 16,
    biggestAlign: 16,
    charIsSigned: true,
    ...one,
    macros: [
      ...COMMON,
      ...one.macros,
      `__SIZEOF_LONG__ ${bytes}`,
      `__SIZEOF_POINTER__ ${bytes}`,
      ...(one.longBits === 64 ? ["__LP64__ 1", "_LP64 1", "__SIZEOF_INT128__ 16"] : []),
      `__BYTE_ORDER__ ${one.bigEndian ? "__ORDER_BIG_ENDIAN__" : "__ORDER_LITTLE_ENDIAN__"}`,
      // The C library's <endian.h> defines it, which no header set has.
      `__BYTE_ORDER ${one.bigEndian ? "__BIG_ENDIAN" : "__LITTLE_ENDIAN"}`,
    ],
  };
}

/** The machines that an interface can be judged for. */
export const ARCHITECTURES: readonly Architecture[] = [
  make({
    name: "x86_64",
    folder: "x86",
    longBits: 64,
    longLongAlign: 8,
    bigEndian: false,
    macros: ["__x86_64__ 1"],
  }),
  make({
    name: "i386",
    folder: "x86",
    longBits: 32,
    longLongAlign: 4,
    longDoubleBytes: 12,
    bigEndian: false,
    macros: ["__i386__ 1"],
  }),
  make({
    name: "arm64",
    folder: "arm64",
    longBits: 64,
    longLongAlign: 8,
    bigEndian: false,
    charIsSigned: false,
    macros: ["__aarch64__ 1", "__AARCH64EL__ 1"],
  }),
  make({
    name: "arm",
    folder: "arm",
    longBits: 32,
    longLongAlign: 8,
    longDoubleBytes: 8,
    biggestAlign: 8,
    bigEndian: false,
    charIsSigned: false,
    macros: ["__arm__ 1", "__ARM_EABI__ 1", "__ARMEL__ 1"],
  }),
  make({
    name: "riscv64",
    folder: "riscv",
    longBits: 64,
    longLongAlign: 8,
    bigEndian: false,
    charIsSigned: false,
    macros: ["__riscv 1", "__riscv_xlen 64"],
  }),
  make({
    name: "powerpc64le",
    folder: "powerpc",
    longBits: 64,
    longLongAlign: 8,
    bigEndian: false,
    charIsSigned: false,
    macros: ["__powerpc__ 1", "__powerpc64__ 1", "__LITTLE_ENDIAN__ 1"],
  }),
  make({
    name: "s390x",
    folder: "s390",
    longBits: 64,
    longLongAlign: 8,
    biggestAlign: 8,
    bigEndian: true,
    charIsSigned: false,
    macros: ["__s390__ 1", "__s390x__ 1"],
  }),
];
