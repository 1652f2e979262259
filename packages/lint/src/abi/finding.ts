/** How bad a change is, worst first. */
export const VERDICTS = [
  /** Programs that were built against the old release do something else, or fail, on the new one. */
  "breaks binaries",
  /** Programs that are built against the new release do not compile, or compile to something else. */
  "breaks sources",
  /** It depends on something that headers do not say: someone has to read. */
  "risk",
  /** It could not be judged, and why. */
  "not judged",
  /** Nobody is broken. */
  "compatible",
] as const;
export type Verdict = (typeof VERDICTS)[number];

/** Rules of what changed, with what each means. The names are stable: baselines and SARIF hold them. */
export const ABI_RULES = {
  "header-removed": "A header is gone.",
  "header-moved": "What a header had stands in another one.",
  "name-removed": "A name that programs use is gone.",
  "name-moved": "A name stands in another header, which the old one does not include.",
  "name-renamed": "A name is gone, and a new one stands for the same.",
  "value-reused": "A name is gone, and a new one that says something else has its value.",
  "value-changed": "A constant has another value.",
  "enum-renumbered": "Enumerators have other values: something was put in, taken out or reordered.",
  "count-changed":
    "A name that says how many there are, or which is the last, follows what was added or removed.",
  "mask-changed": "A mask took on bits or lost some.",
  "text-changed": "A constant text is another one.",
  "code-changed": "A define that is no number is written differently.",
  "macro-changed": "A macro with parameters gives other values, or takes another number of them.",
  "macro-became-enumerator": "A define became an enumerator: #ifdef no longer finds it.",
  "ioctl-number-changed": "An ioctl has another number.",
  "ioctl-size-changed": "The argument of an ioctl has another size, and so it has another number.",
  "ioctl-renamed": "An ioctl number has another name.",
  "field-moved": "A field has another place or width.",
  "field-removed": "A field is gone.",
  "field-renamed": "A field has another name, at the same place.",
  "field-retyped": "A field is read in another way.",
  "reserved-used-without-zero-rule":
    "A reserved field took on a meaning, and nothing said that it must be zero before.",
  "reserved-used": "A reserved field took on a meaning; it had to be zero before.",
  "hole-filled": "A field stands where padding was, which programs do not set.",
  "struct-grew": "A struct is larger.",
  "struct-shrank": "A struct is smaller.",
  "alignment-changed": "A struct is aligned differently.",
  "flexible-array": "An array of one element at the end became a flexible one.",
  "type-changed": "A typedef stands for another type.",
  added: "Something is new.",
  "new-differs-by-machine":
    "A new struct or ioctl differs between machines of one kernel: 32-bit programs need a translation.",
  "new-has-holes": "A new struct has padding that no field names.",
  "not-judged": "Something could not be read or worked out.",
} as const;
export type AbiRule = keyof typeof ABI_RULES;

export interface Place {
  /** In the tree: `include/uapi/linux/types.h`. */
  readonly path: string;
  readonly line: number;
}

/** One change, and whom it breaks. */
export interface AbiFinding {
  readonly rule: AbiRule;
  readonly verdict: Verdict;
  /** What changed: `struct s`, `struct s: field`, `FLAG`. */
  readonly name: string;
  readonly old: Place | null;
  readonly new: Place | null;
  /** What it was and what it is, in a sentence. */
  readonly message: string;
  /** Whom it breaks and how, in a sentence; empty if nobody. */
  readonly who: string;
  /** Machines that it is so on; all that were compared, mostly. */
  readonly architectures: readonly string[];
}
