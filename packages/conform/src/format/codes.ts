/** The snapshot codes of the test device, by the names that case files use. Values are those of the kernel's driver. */
const CODE_VALUES = {
  ERROR: 0xff,
  NONE: 0x00,
  READ: 0x01,
  WRITE: 0x02,
  PMD: 0x04,
  PUD: 0x08,
  ZERO: 0x10,
  DEV_PRIVATE_LOCAL: 0x20,
  DEV_PRIVATE_REMOTE: 0x30,
  DEV_COHERENT_LOCAL: 0x40,
  DEV_COHERENT_REMOTE: 0x50,
} as const;

type CodeName = keyof typeof CODE_VALUES;

/** Shorter spellings, which the contract's text uses too. */
const ALIASES: Readonly<Record<string, CodeName>> = {
  PRIVATE_LOCAL: "DEV_PRIVATE_LOCAL",
  PRIVATE_REMOTE: "DEV_PRIVATE_REMOTE",
  COHERENT_LOCAL: "DEV_COHERENT_LOCAL",
  COHERENT_REMOTE: "DEV_COHERENT_REMOTE",
};

/** Every name that a code may be made of. */
export const CODE_NAMES: readonly string[] = [...Object.keys(CODE_VALUES), ...Object.keys(ALIASES)];

const ACCESS = ["READ", "WRITE"];
const LEVEL = ["PMD", "PUD"];

/** One byte of a snapshot from its name (`DEV_PRIVATE_LOCAL|WRITE`), or what is wrong with the name. */
export function parseCode(text: string): number | { readonly unknown: string } | { readonly clash: string } {
  const names = text.split("|").map((name) => name.trim());
  let value = 0;
  const seen: CodeName[] = [];
  for (const given of names) {
    const name = ALIASES[given] ?? given;
    if (!isCodeName(name)) return { unknown: given };
    seen.push(name);
    value |= CODE_VALUES[name];
  }
  const places = seen.filter((name) => name.startsWith("DEV_") || name === "ZERO");
  const clashes =
    new Set(seen).size !== seen.length ||
    (seen.length > 1 && (seen.includes("ERROR") || seen.includes("NONE"))) ||
    seen.filter((name) => ACCESS.includes(name)).length > 1 ||
    seen.filter((name) => LEVEL.includes(name)).length > 1 ||
    places.length > 1;
  return clashes ? { clash: text } : value;
}

/** The name of one byte of a snapshot, as case files write it; a byte that no name fits as `0x..`. */
export function printCode(code: number): string {
  if (code === CODE_VALUES.ERROR) return "ERROR";
  if (code === CODE_VALUES.NONE) return "NONE";
  const place = code & 0xf0;
  const parts: string[] = [];
  const named = nameOfPlace(place);
  if (place !== 0 && named === null) return `0x${code.toString(16)}`;
  if (named !== null && named !== "ZERO") parts.push(named);
  if (code & CODE_VALUES.READ) parts.push("READ");
  if (code & CODE_VALUES.WRITE) parts.push("WRITE");
  if (named === "ZERO") parts.push(named);
  if (code & CODE_VALUES.PMD) parts.push("PMD");
  if (code & CODE_VALUES.PUD) parts.push("PUD");
  return parts.join("|");
}

function nameOfPlace(place: number): CodeName | null {
  for (const [name, value] of Object.entries(CODE_VALUES)) {
    if (value === place && place !== 0 && isCodeName(name)) return name;
  }
  return null;
}

function isCodeName(name: string): name is CodeName {
  return Object.hasOwn(CODE_VALUES, name);
}
